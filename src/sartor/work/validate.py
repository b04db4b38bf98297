"""``sartor validate``: the import job's own check on files that nobody imports."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sartor.data import bundles, schema
from sartor.data.check import JobRules
from sartor.data.input_files import InputFile
from sartor.data.report import Report
from sartor.data.schema import Schema
from sartor.data.sources import AccountSources, Sources
from sartor.errors import invalid_input
from sartor.settings import Settings
from sartor.work.import_data import job_rules

_STANDARD_INPUT: Final = "-"


def validate(
    locations: Sequence[str],
    schema_text: str,
    dataset_type: str | None,
    domain: str | None,
    settings: Settings,
) -> Report:
    """Return the report that an import job of these files would have; nothing is kept.

    Args:
        locations: local files and folders, ``s3://`` locations, or ``-`` for standard input.
        schema_text: the schema's JSON.
        dataset_type: must be the schema's type if it is given.
        domain: of the dataset group.
        settings: name the buckets, the S3 service and whether Amazon's minimums count.

    Raises:
        ApiError: the schema breaks a rule.
        JobFailed: a location has nothing that can be read, or a file could not be read to its end.
    """
    wanted = schema.parse(schema_text, domain)
    if dataset_type is not None and dataset_type.upper() != wanted.dataset_type:
        raise invalid_input(f"The schema is for {wanted.dataset_type}, not for {dataset_type.upper()}.")
    sources = Sources(settings).of(settings.account)
    with tempfile.TemporaryDirectory(prefix="sartor-validate-") as scratch:
        files = [file for location in locations for file in _files(location, sources, Path(scratch))]
        rules = job_rules(wanted, "FULL", settings.quotas == "aws", settings.bad_cells)
        return check_files(files, wanted, rules, Path(scratch), settings.memory_bytes)


def check_files(
    files: Sequence[InputFile], wanted: Schema, rules: JobRules, scratch: Path, memory_bytes: int
) -> Report:
    """Return the report that an import job of these files would have.

    Args:
        files: what is checked.
        wanted: the dataset's schema.
        rules: of the job as a whole.
        scratch: a folder for what the check writes.
        memory_bytes: how much memory it may use.

    Raises:
        JobFailed: a file could not be read to its end.
    """
    checked = bundles.read_and_check(
        files,
        wanted,
        scratch,
        "validate",
        scratch,
        job=rules,
        memory_bytes=memory_bytes,
        progress=lambda _: None,
        stop=lambda: False,
    )
    return checked.report


def _files(location: str, sources: AccountSources, scratch: Path) -> list[InputFile]:
    """Return the files at one location."""
    if location.startswith("s3://"):
        return [
            InputFile(sources.spool(found, scratch), found.uri, found.size_bytes)
            for found in sources.list(location)
        ]
    if location == _STANDARD_INPUT:
        copy = scratch / "standard-input"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return [InputFile(copy, "standard input", copy.stat().st_size)]
    place = Path(location)
    if not place.exists():
        raise FileNotFoundError(f"{location} does not exist")
    paths = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else [place]
    named = [path for path in paths if path == place or not path.name.startswith(("_", "."))]
    if not named:
        raise FileNotFoundError(f"{location} has no files")
    return [InputFile(path, str(path), path.stat().st_size) for path in named]
