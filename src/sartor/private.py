"""The data folder is its owner's alone: it has keys, and what people did."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sartor.settings import SettingsError

LOG = logging.getLogger("sartor.private")

#: What nobody but the owner may do with what a command makes.
UMASK: Final = 0o077
_OTHERS: Final = 0o077


def keep_private(folder: Path) -> None:
    """Make a folder if it is not there, and take from everybody but its owner what they may do in it and below.

    Args:
        folder: the data folder; links in it are not followed.

    Raises:
        SettingsError: the folder is shared by all users, as ``/tmp`` is.
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if folder.stat().st_mode & stat.S_ISVTX:
        raise SettingsError(
            f"{folder} is shared by all users of this machine: name a --data folder of its own."
        )
    if sum(not _mend(place) for place in _everything(folder)):
        LOG.warning(
            "others may look into %s, and this process may not change that: chmod -R go= %s", folder, folder
        )


def _everything(folder: Path) -> Iterator[Path]:
    """Yield a folder and all that lies in it."""
    yield folder
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))


def is_private(folder: Path) -> bool:
    """Return whether nobody but its owner may look into a folder."""
    return not folder.stat().st_mode & _OTHERS


def _mend(path: Path) -> bool:
    """Take the rights of others away; return false if that is refused."""
    try:
        mode = path.lstat().st_mode
        if mode & _OTHERS and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except FileNotFoundError:  # a file that comes and goes
        return True
    except OSError:
        return False
    return True
