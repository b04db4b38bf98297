"""What is on the disk stays there when the power fails."""

import os
from pathlib import Path


def make_durable(place: Path) -> None:
    """Flush a file or a folder's entries to the disk."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
