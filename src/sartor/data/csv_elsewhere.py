"""Pieces of an export on other machines, which store a file for each where the export goes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sartor.compute.contract import Heard
from sartor.data import engine
from sartor.data.csv_rows import Form, write
from sartor.data.remote import Near, Remote, require_bucket
from sartor.data.sections import Section, select
from sartor.data.watch import stop_of


@dataclass(frozen=True)
class Target:
    """Where pieces on other machines store their files, each one of its own.

    Attributes:
        remote: what they need there.
        root: where the location's bucket lies, as the job's machine sees it.
        location: the folder.
        name: of a file, with a place for the piece's number.
        owner: a word that only the job uses.
    """

    remote: Remote
    root: str
    location: str
    name: str
    owner: str


def store_piece(form: Form, target: Target, piece: tuple[int, Sequence[Section]], heard: Heard) -> None:
    """Store the rows of a piece, which has a number, as one file; a second run puts the same in its place.

    Raises:
        Stopped: ``heard`` raised it.
        JobFailed: the file may not be written.
        Unavailable: this machine sees another bucket than the job's, or lacks something.
    """
    number, sections = piece
    with target.remote.reached() as near:
        require_bucket(near.sources, target.location, target.root)
        here = [_brought(near, one, at) for at, one in enumerate(sections)]
        form = replace(form, folder=near.scratch)
        header = near.scratch / "header.csv"
        header.write_text(",".join(field.name for field in form.schema.fields) + "\n")
        with engine.connect(form.memory_bytes, near.scratch, 1) as connection:
            files = write(connection, select(here, form.schema), form, stop_of(heard), header=False)
        # two runs at once, as when a machine is thought to be dead, must not write one unfinished file
        run = f"{target.owner}-{secrets.token_hex(4)}"
        location = target.location + target.name.format(number)
        near.sources.replace(location, [header, *files], run, lambda: heard(None))


def _brought(near: Near, section: Section, at: int) -> Section:
    """Return a section whose part is here, with the row groups that are wanted at least."""
    groups = section.groups
    if groups is None:
        return section._replace(part=near.storage.local(section.stored))
    copy = near.scratch / f"{at}-{section.part.name}"
    return section._replace(part=near.storage.some(section.stored, lambda *_: groups.ranges, copy))
