"""Files of a bucket of which only some bytes are brought here: as large as they are, and the rest is a hole."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from sartor.data.buckets import Bucket, ChangedError, SourceFile, UnreadableError
from sartor.data.s3_bucket import DOWNLOAD_ATTEMPTS, FIRST_WAIT_SECONDS

#: Some bytes of a file each: the first, and the one behind the last.
Ranges = Sequence[tuple[int, int]]
#: Returns bytes of a file, by start and length.
Read = Callable[[int, int], bytes]

#: So much of a range is read at a time, and what of it came is lost when a download breaks.
_READ_BYTES: Final = 2**23


def bring(bucket: Bucket, file: SourceFile, ranges: Ranges, copy: Path) -> Path:
    """Return a local file that is as large as one of a bucket, and has of its bytes those of ranges.

    Args:
        bucket: where it is.
        file: as it was listed.
        ranges: which bytes; the file's end may come before theirs.
        copy: where it is written.

    Raises:
        OSError: as the bucket's ``read``.
    """
    with copy.open("wb") as opened:
        opened.truncate(file.size_bytes)
        for first, end in ranges:
            behind = min(end, file.size_bytes)
            opened.seek(first)
            for start in range(first, behind, _READ_BYTES):
                opened.write(_read(bucket, file, start, min(_READ_BYTES, behind - start)))
    return copy


def reader(bucket: Bucket, file: SourceFile) -> Read:
    """Return what reads a file of a bucket as it was listed; it raises as the bucket does."""
    return partial(_read, bucket, file)


def _read(bucket: Bucket, file: SourceFile, start: int, length: int) -> bytes:
    """Return bytes of a file; what breaks is tried again some times."""
    for attempt in range(DOWNLOAD_ATTEMPTS - 1):
        try:
            return bucket.read(file, start, length)
        except ChangedError:
            raise
        except UnreadableError:
            time.sleep(FIRST_WAIT_SECONDS * 2**attempt)
    return bucket.read(file, start, length)
