"""``sartor doctor``: what is wrong with an installation, and how to mend it."""

import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from sartor.compute import open_compute
from sartor.data.blobs import open_storage
from sartor.errors import Unavailable
from sartor.keys import KEY_FILE, KeyFile
from sartor.private import is_private
from sartor.recipes.trainers import has_sequence_model
from sartor.resources.store import stored_versions
from sartor.settings import Settings
from sartor.wire import fingerprint

#: Less free space than this is a finding, in bytes.
LOW_SPACE_BYTES: Final = 2 * 10**9
#: A machine with less memory is a finding, in bytes.
LEAST_MEMORY_BYTES: Final = 1.5e9
#: How long a running server may take to answer, in seconds.
_ANSWER_SECONDS: Final = 3.0


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
    """Look at everything that a server needs, and return what was found; nothing is made that was not there."""
    findings = [
        *(_python(), _botocore(), _machine(), *_extras(settings), _torch()),
        *(_training(settings), _compute(settings), _server(settings)),
    ]
    if not _has_begun(settings):
        text = f"none yet; the first `sartor serve` makes it in {settings.data}"
        return [*findings, *(Finding(name, True, text) for name in ("database", "storage", "keys"))]
    looks: dict[str, Callable[[Settings], str]] = {
        "database": _database,
        "storage": _storage,
        "disk": _disk,
        "keys": _keys,
    }
    for name, look in looks.items():
        try:
            findings.append(Finding(name, True, look(settings)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the user wants to read it here
            findings.append(Finding(name, False, str(error)))
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


def _machine() -> Finding:
    """Say how many processors and how much memory there are for us."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    page = os.sysconf("SC_PAGE_SIZE")
    whole, free = (page * os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    cores = "1 processor" if processors == 1 else f"{processors} processors"
    text = f"{cores}, {whole / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB of it unused"
    enough = whole >= LEAST_MEMORY_BYTES
    return Finding("machine", enough, text if enough else f"{text}; imports and trainings need 2 GB")


def _torch() -> Finding:
    """Say whether torch is here, which trains sequence models."""
    try:
        return Finding("torch", True, f"{importlib.metadata.version('torch')} is installed")
    except importlib.metadata.PackageNotFoundError:
        return Finding("torch", True, "not installed; pip install 'sartor[torch]' brings it")


def _server(settings: Settings) -> Finding:
    """Say whether a server runs on the data folder, and whether it is well."""
    try:
        url = str(json.loads((settings.data / "server.json").read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError):
        return Finding("server", True, f"none runs on {settings.data}")
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/health/ready", timeout=_ANSWER_SECONDS) as answer:
            return Finding("server", True, f"{answer.read().decode().strip()} at {url}")
    except HTTPError as error:
        return Finding("server", False, f"{error.read().decode(errors='replace').strip()} at {url}")
    except OSError as error:
        reason = getattr(error, "reason", error)
        return Finding("server", False, f"none answers at {url}, which {settings.data} names: {reason}")


def _has_begun(settings: Settings) -> bool:
    """Return whether a server has been here, or elsewhere with the same database."""
    return settings.shares_database or any(
        (settings.data / name).exists() for name in ("sartor.db", KEY_FILE)
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


def _database(settings: Settings) -> str:
    """Look at the database as no server does: nothing in it is made, taken over or leased."""
    place = settings.database.rpartition("@")[2]
    found = stored_versions(settings.database)
    if found is None:
        return f"{place} has no service yet; the first `sartor serve` makes one"
    if found.steps:
        raise ValueError(
            f"{place} is of an earlier Sartor, and this one takes it over at its start: `sartor upgrade --check` says "
            "what that is"
        )
    return f"{place} answers"


def _storage(settings: Settings) -> str:
    place = settings.storage
    if "://" not in place and not Path(place).exists():
        raise OSError(f"{place} is missing: name the right --storage, or bring it back from a backup")
    with TemporaryDirectory() as scratch:
        storage = open_storage(place, settings.s3_endpoint, Path(scratch))
        storage.check()
        return f"{storage.uri} answers"


def _disk(settings: Settings) -> str:
    if not settings.data.exists():
        return f"{settings.data} is not there yet; the first `sartor serve` makes it"
    if not is_private(settings.data):
        raise PermissionError(f"others may look into {settings.data}: chmod -R go= {settings.data}")
    free = shutil.disk_usage(settings.data).free
    if free < LOW_SPACE_BYTES:
        raise OSError(f"only {free / 1e9:.1f} GB are free in {settings.data}; imports need room")
    return f"{free / 1e9:.0f} GB are free"


def _keys(settings: Settings) -> str:
    if settings.shares_database:
        return "in the database, which servers share; `sartor keys list` shows them"
    path = settings.data / KEY_FILE
    if not path.exists():
        return "none yet; the first `sartor serve` makes one"
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} can be read by others: chmod 600 {path}")
    return f"{len(KeyFile(path).all())} in {path}"
