"""What a piece reaches on a machine that shares no folders with the job's: it reads from S3 and stores there.

Where things lie travels with the piece; who may reach them is in the machine's own environment and ``sartor.toml``.
"""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from sartor.data import s3
from sartor.data.blobs import Blobs, open_storage
from sartor.data.machines import require_folders
from sartor.data.parts import Part
from sartor.data.sources import AccountSources, Sources
from sartor.errors import Unavailable
from sartor.scratch import Scratch
from sartor.settings import Settings, SettingsError, load


@dataclass(frozen=True)
class Remote:
    """What the pieces of a job need on other machines; there are no secrets in it.

    Attributes:
        places: the job's settings that say where things lie.
        account: whose buckets are read.
        role_arn: in which role; each machine has the credentials for it, or none.
        table: the folder in storage to which parts go; ``None`` if they are written where all machines see them.
    """

    places: Mapping[str, Any]
    account: str
    role_arn: str | None
    table: str | None = None

    def settings(self) -> Settings:
        """Return this machine's settings, with the job's places.

        Raises:
            Unavailable: there is something wrong with them.
        """
        try:
            return replace(load(), **self.places)
        except SettingsError as error:
            raise Unavailable(f"{platform.node()} has wrong settings: {error}") from error

    @contextmanager
    def reached(self) -> Iterator["Near"]:
        """Give what this machine reaches, for as long as a piece runs.

        Raises:
            Unavailable: this machine lacks settings.
        """
        settings = self.settings()
        scratch = Scratch(settings)
        try:
            yield Near(self, settings, scratch.folder)
        finally:
            scratch.close()

    def sweep(self, scratch: Path, pattern: str, kept: set[str]) -> None:
        """Delete what was stored under names of a pattern, but for some of them."""
        if self.table is None:
            return
        storage = open_storage(self.places["storage"], self.places["s3_endpoint"], scratch)
        # while storage is away, what is left waits for a sweep of the table
        with suppress(OSError):
            for path, _ in list(storage.files(self.table)):
                name = path.rpartition("/")[2]
                if fnmatchcase(name, pattern) and name not in kept:
                    storage.delete(path)


class Near:
    """What one machine reaches of a job's places.

    Args:
        remote: what the job says.
        settings: the machine's own, with the job's places.
        scratch: a folder for what need not survive the piece.
    """

    def __init__(self, remote: Remote, settings: Settings, scratch: Path) -> None:
        self._remote = remote
        self._settings = settings
        self.scratch = scratch

    @cached_property
    def sources(self) -> AccountSources:
        """The buckets of the job's account."""
        return Sources(self._settings).of(self._remote.account, self._remote.role_arn)

    @cached_property
    def storage(self) -> Blobs:
        """Storage, as this machine reaches it.

        Raises:
            Unavailable: it has no credentials.
        """
        url = self._settings.storage
        try:
            return open_storage(url, self._settings.s3_endpoint, self.scratch)
        except s3.NoCredentialsError as error:
            raise Unavailable(f"{platform.node()} cannot reach {url}: {error}") from error

    def part(self, name: str) -> Path:
        """Return a local file with a part of the job's table."""
        return self.storage.local(f"{self._remote.table}/{name}")

    def stored(self, part: Part) -> Part:
        """Store a part into the job's table, and return what is known of it."""
        self.storage.put_file(f"{self._remote.table}/{part.path.name}", part.path)
        return replace(part, path=Path(part.path.name), stored=True)


def require_bucket(sources: AccountSources, location: str, root: str) -> None:
    """Make sure that a location lies where the job's machine has it.

    Args:
        sources: as this machine reaches them.
        location: the ``s3://`` location.
        root: where its bucket lies, as ``AccountSources.root`` says there.

    Raises:
        Unavailable: it does not.
    """
    if sources.root(location) != root:
        raise Unavailable(
            f"{platform.node()} has the bucket of {location} elsewhere: name its folder with --bucket, and give it to "
            "every machine of the cluster."
        )
    if "://" not in root:
        require_folders([Path(root)])
