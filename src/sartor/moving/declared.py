"""What a file declares: resources by kind and name, each with the line that says so."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sartor.moving.kinds import DECLARABLE, Declarable
from sartor.resources.kind_names import DATASET, DATASET_GROUP, DATASET_IMPORT_JOB, SOLUTION, SOLUTION_VERSION


class DeclarationError(ValueError):
    """A file declares nothing that can be made; the message says where and what to do, a line for each fault."""


@dataclass(frozen=True)
class Declared:
    """One resource.

    Attributes:
        kind: its kind's name.
        name: what it is called; ``GROUP/TYPE`` for a dataset and its import, ``GROUP/NAME`` for an event tracker, its
            solution's for a version.
        members: what Create takes beside name, tags and what it names.
        named: the names of the resources that it names, by their kinds.
        tags: of it, by key.
        place: ``file:line``, or whose account.
        arn: of one that is there.
        status: of one that is there.
        why: it failed, if it did.
        more: what else is known of one that is there: its tracking id, when it was created.
    """

    kind: str
    name: str
    members: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    arn: str = ""
    status: str = "ACTIVE"
    why: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def declarable(self) -> Declarable:
        """Its row of the kinds."""
        return DECLARABLE[self.kind]

    @property
    def key(self) -> tuple[str, str]:
        """Its kind and its name; there is one of it."""
        return self.kind, self.name

    @property
    def label(self) -> str:
        """What it is called in a sentence."""
        return f"{self.kind} {self.name}"


#: Resources by kind and name.
Resources = Mapping[tuple[str, str], Declared]


def in_order(resources: Iterable[Declared]) -> list[Declared]:
    """Return resources in the order in which they can be created."""
    order = {kind: at for at, kind in enumerate(DECLARABLE)}
    return sorted(resources, key=lambda one: order[one.kind])


def group_of(one: Declared, among: Resources) -> str:
    """Return the name of the group that a resource belongs to, directly or by what it names; none of a schema."""
    if one.kind == DATASET_GROUP:
        return one.name
    if DATASET in one.named:
        return one.named[DATASET].partition("/")[0]
    if SOLUTION in one.named:
        return group_of(among[SOLUTION, one.named[SOLUTION]], among)
    return one.named.get(DATASET_GROUP, "")


def dataset_name(dataset: Declared) -> str:
    """Return what a dataset is called that was given no name."""
    return dataset.name.replace("/", "-").lower()


def import_of(dataset: Declared, members: Mapping[str, Any], place: str) -> Declared:
    """Return a dataset's import; what is imported gives its job a name, so that it is imported once.

    Args:
        dataset: into which.
        members: of CreateDatasetImportJob; ``jobName`` may be there.
        place: that says so.
    """
    given = {"importMode": "FULL", **members}
    digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:8]
    named = dataset_name(dataset)[:50]
    return Declared(
        DATASET_IMPORT_JOB,
        dataset.name,
        {"jobName": f"{named}-{digest}", **given},
        {DATASET: dataset.name},
        place=place,
    )


def training_of(solution: Declared) -> Declared:
    """Return the version that a solution must have."""
    return Declared(SOLUTION_VERSION, solution.name, named={SOLUTION: solution.name}, place=solution.place)


def differences(
    wanted: Any, found: Any, path: str = "", *, exactly: bool = False
) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two values differ: the path of the member, what is there, what is wanted.

    Args:
        wanted: a value as the service models have it.
        found: another.
        path: of both.
        exactly: whether members that only ``found`` has differ too; else they are as good as wanted.
    """
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        names = [*wanted, *(name for name in found if exactly and name not in wanted)]
        for name in names:
            below = f"{path}.{name}" if path else name
            yield from differences(wanted.get(name), found.get(name), below, exactly=exactly)
    elif not _same(wanted, found):
        yield path, found, wanted


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, str) and isinstance(found, str):
        return wanted.strip() == found.strip()
    return bool(wanted == found) or (found is None and wanted in ({}, [], False))
