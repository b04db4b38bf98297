"""What a piece finds on the machine that runs it, which need not be the job's."""

import platform
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sartor.errors import Unavailable


def require_folders(folders: Iterable[Path]) -> None:
    """Make sure that this machine sees the job's folders.

    Raises:
        Unavailable: it does not.
    """
    for folder in folders:
        if not folder.is_dir():
            raise Unavailable(
                f"{platform.node()} does not see {folder}: every machine of the cluster must have the folders of "
                "--storage and --bucket under the same names."
            )


def scratch_here(scratch: Path) -> Path:
    """Return the job's scratch folder if this machine has it, else its own."""
    return scratch if scratch.is_dir() else Path(tempfile.gettempdir())
