"""The look at a job's files while its caller waits: what is wrong at once is refused at once.

A caller waits for a moment, not for 20,000 files: what is not seen in that time, the job sees.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Final

from sartor.data import formats, schema
from sartor.data.headers import missing_columns
from sartor.errors import JobFailed

if TYPE_CHECKING:
    from sartor.data.sources import AccountSources, SourceFile, Sources

#: How long a caller waits for the look, in seconds.
LOOK_SECONDS: Final = 1.0
#: The most bytes of users that one deletion names ("Amazon Personalize endpoints and quotas").
MAX_DELETION_BYTES: Final = 100_000_000
#: How many headers are read at once.
_HEADERS_AT_ONCE: Final = 8

_Files = Sequence["SourceFile"]


def look_at_import(
    wanted: schema.Schema, account: str, location: str, role_arn: str | None, sources: "Sources"
) -> None:
    """Refuse an import whose files cannot be reached or miss a column of the schema.

    Raises:
        JobFailed: so it is.
    """
    reached = sources.of(account, role_arn)
    _look(reached, partial(reached.list, location), lambda names: missing_columns(names, wanted))


def look_at_deletion(
    quotas_on: bool, account: str, location: str, role_arn: str | None, sources: "Sources"
) -> None:
    """Refuse a deletion whose files cannot be reached, are too large or have no column of users.

    Raises:
        JobFailed: so it is.
    """
    reached = sources.of(account, role_arn)

    def missing(names: Sequence[str]) -> list[str]:
        return [] if "USER_ID" in [name.upper() for name in names] else ["USER_ID"]

    def listed() -> _Files:
        files = reached.list_csv(location)
        require_deletable(files, quotas_on)
        return files

    _look(reached, listed, missing)


def require_deletable(files: _Files, quotas_on: bool) -> None:
    """Refuse to delete by files that are larger together than Amazon allows.

    Raises:
        JobFailed: they are.
    """
    total = sum(file.size_bytes for file in files)
    if quotas_on and total > MAX_DELETION_BYTES:
        raise JobFailed(f"The files have {total:,} bytes; {MAX_DELETION_BYTES:,} are allowed.")


def look_at_folder(account: str, location: str, role_arn: str | None, sources: "Sources") -> None:
    """Refuse a job that would write where nothing can be written.

    Raises:
        JobFailed: so it is.
    """
    sources.of(account, role_arn).require_writable(location)


def _look(
    reached: "AccountSources",
    list_files: Callable[[], _Files],
    missing: Callable[[Sequence[str]], list[str]],
) -> None:
    """List files and look at their headers, as long as the caller waits.

    Args:
        reached: where they are read from.
        list_files: lists them.
        missing: returns the columns that a header lacks.
    """
    until = time.monotonic() + LOOK_SECONDS
    wrong: list[tuple[int, str]] = []

    def look(waiting: "Iterator[tuple[int, SourceFile]]", several: bool) -> None:
        for at, file in waiting:
            try:
                names = formats.column_names(file.uri, file.size_bytes, partial(reached.read_range, file))
            except JobFailed as failure:
                wrong.append((at, failure.reason))
            else:
                if columns := ", ".join(missing(names)):
                    where = f" in {file.uri}" if several else ""
                    wrong.append((at, f"Input csv is missing the following columns: [{columns}]{where}"))
            if wrong or time.monotonic() >= until:
                return

    pool = ThreadPoolExecutor(_HEADERS_AT_ONCE)
    try:
        files = pool.submit(list_files).result(LOOK_SECONDS)
        waiting = enumerate(files)  # one for all threads
        looks = [pool.submit(look, waiting, len(files) > 1) for _ in range(min(_HEADERS_AT_ONCE, len(files)))]
        for one in wait(looks, max(0.0, until - time.monotonic())).done:
            one.result()
    except TimeoutError:
        return
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if wrong:
        raise JobFailed(min(wrong)[1])  # the first in the order of keys
