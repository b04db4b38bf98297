"""``sartor doctor``: what is wrong with an installation, and how to mend it."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sartor.app import Backend, open_backend
from sartor.compute import open_compute
from sartor.errors import Unavailable
from sartor.keys import KEY_FILE
from sartor.private import is_private
from sartor.recipes.trainers import has_sequence_model
from sartor.settings import Settings
from sartor.wire import fingerprint

#: Less free space than this is a finding, in bytes.
LOW_SPACE_BYTES: Final = 2 * 10**9


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: whether it is as it should be.
        text: what was found, and what to do if it is not.
    """

    name: str
    ok: bool
    text: str


def examine(settings: Settings) -> list[Finding]:
    """Look at everything that a server needs, and return what was found."""
    findings = [_python(), _botocore(), *_extras(settings), _training(settings), _compute(settings)]
    try:
        backend = open_backend(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the user wants to read it here
        return [*findings, Finding("open", False, f"{error}. Check --data, --database and --storage.")]
    looks: dict[str, Callable[[Backend], str]] = {
        "database": _database,
        "storage": _storage,
        "disk": _disk,
        "keys": _keys,
    }
    for name, look in looks.items():
        try:
            findings.append(Finding(name, True, look(backend)))
        except Exception as error:  # noqa: BLE001 - as above
            findings.append(Finding(name, False, str(error)))
    backend.close()
    return findings


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), f"{version}; Sartor needs 3.11 or newer")


def _botocore() -> Finding:
    version = importlib.metadata.version("botocore")
    differences = fingerprint.installed()
    if not differences:
        return Finding("botocore", True, f"{version} has the service models that Sartor is tested with")
    lines = "".join(f"\n  {one}" for one in differences)
    return Finding(
        "botocore",
        False,
        f"the service models of {version} differ from those that Sartor is tested with. Calls are read and answered by "
        f"the installed ones: install botocore {fingerprint.tested_with()}, or see whether it matters to you:{lines}",
    )


def _extras(settings: Settings) -> list[Finding]:
    if not settings.database.startswith("postgresql"):
        return []
    there = importlib.util.find_spec("psycopg") is not None
    text = "psycopg is installed" if there else "psycopg is missing: pip install 'sartor[postgres]'"
    return [Finding("postgres", there, text)]


def _training(settings: Settings) -> Finding:
    """Say what a training of a personal recipe would use here."""
    if settings.sequence_models == "off":
        return Finding("training", True, "linear models alone, as sequence_models is off")
    if not has_sequence_model():
        text = "linear models alone, as torch is not installed: pip install 'sartor[torch]' adds the sequence model"
        return Finding("training", True, text)
    from sartor.models import sequence_training

    gpu = sequence_training.gpu()
    if gpu is None:
        threads = f"{os.cpu_count() or 1} processors"
        return Finding(
            "training", True, f"sequence models on the processor ({threads}), as there is no CUDA device"
        )
    return Finding("training", True, f"sequence models on {gpu}, larger and for longer than on a processor")


def _compute(settings: Settings) -> Finding:
    """Say where pieces of work would run, after one has."""
    try:
        return Finding("compute", True, open_compute(settings.compute).check())
    except (Unavailable, OSError) as error:
        return Finding("compute", False, str(error))


def _database(backend: Backend) -> str:
    backend.store.check()
    return f"{backend.settings.database.rpartition('@')[2]} answers"


def _storage(backend: Backend) -> str:
    backend.storage.check()
    return f"{backend.storage.uri} answers"


def _disk(backend: Backend) -> str:
    if not is_private(backend.settings.data):
        raise PermissionError(
            f"others may look into {backend.settings.data}: chmod -R go= {backend.settings.data}"
        )
    free = shutil.disk_usage(backend.settings.data).free
    if free < LOW_SPACE_BYTES:
        raise OSError(f"only {free / 1e9:.1f} GB are free in {backend.settings.data}; imports need room")
    return f"{free / 1e9:.0f} GB are free"


def _keys(backend: Backend) -> str:
    keys = backend.keys.all()
    if backend.settings.shares_database:
        return f"{len(keys)} in the database" if keys else "none yet; the first `sartor serve` makes one"
    path = backend.settings.data / KEY_FILE
    if not path.exists():
        return "none yet; the first `sartor serve` makes one"
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} can be read by others: chmod 600 {path}")
    return f"{len(keys)} in {path}"
