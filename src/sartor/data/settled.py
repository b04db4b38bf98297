"""Which files of storage belong to a moment, though jobs commit, and sweeps delete, while they are listed.

A table is what its Delta log says, so a moment of it is a version: what the log says later is left out, and so is the
hint that names its newest checkpoint. All other files never change, or are as good in a newer state.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from sartor.data.blobs import Blobs, StoredFile

_LOG: Final = "_delta_log"
#: How many digits a version has in the name of a file of the log.
_DIGITS: Final = 20
#: What is on its way to its place: ours, and Delta's.
_PASSING: Final = re.compile(r"(?:^|/)(?:\.[^/]*|_commit_[^/]*|[^/]*#\d+)$")


def logs(files: Iterable[str]) -> set[str]:
    """Return the folders of the logs of all tables that these paths are of."""
    return {
        folder for folder, _, _ in (path.rpartition("/") for path in files) if folder.endswith(f"/{_LOG}")
    }


def heads(storage: Blobs, folders: Iterable[str]) -> dict[str, int]:
    """Return the newest version that each log has now, -1 for none."""
    return {
        folder: max(
            (_version(path) for path, _ in storage.files(folder) if path.endswith(".json")), default=-1
        )
        for folder in folders
    }


def belonging(files: Iterable[StoredFile], newest: Mapping[str, int]) -> list[StoredFile]:
    """Return the files that are not of later versions than the newest of each log, and not on their way."""
    return [file for file in files if _belongs(file.path, newest)]


def _belongs(path: str, newest: Mapping[str, int]) -> bool:
    if _PASSING.search(path):
        return False
    folder = path.rpartition("/")[0]
    if not folder.endswith(f"/{_LOG}"):
        return True
    return 0 <= _version(path) <= newest.get(folder, -1)


def _version(path: str) -> int:
    """Return the version that a file of a log is of, -1 for the hint and what else has none."""
    number = path.rpartition("/")[2][:_DIGITS]
    return int(number) if number.isdecimal() and len(number) == _DIGITS else -1
