"""The file of ``sartor export`` and ``sartor apply``: resources under those that they belong to, by name.

::

    schemas:
      shop-interactions: {schema: {type: record, …}}
    datasetGroups:
      shop:
        datasets:
          INTERACTIONS: {schema: shop-interactions}
        solutions:
          for-you:
            recipe: aws-user-personalization-v2
            campaigns:
              for-you:

Members are those of Amazon's Create operations, but for ``recipe``, ``schema`` and ``tags``, a mapping.
"""

from collections.abc import Iterator
from typing import Any, Final

from sartor.moving import typed
from sartor.moving.declared import Declared, Resources, dataset_name, import_of, in_order, training_of
from sartor.moving.kinds import DECLARABLE, Declarable, nested_in
from sartor.moving.typed import Fault
from sartor.moving.yaml_file import Mapped, Text, written
from sartor.recipes import BY_ARN
from sartor.resources.kind_names import (
    DATASET,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    EVENT_TRACKER,
    FILTER,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
)

_RECIPE: Final = "arn:aws:personalize:::recipe/"
#: What a resource may have in a file beside members of Create and sections.
_WORDS: Final = {
    SCHEMA: ("schema",),
    DATASET: ("name", "schema"),
    SOLUTION: ("recipe",),
    RECOMMENDER: ("recipe",),
}
#: The kinds whose names are unique in their group alone.
_BY_GROUP: Final = (DATASET, EVENT_TRACKER)
_FIRST_LINES: Final = """\
# Written by `sartor export`: what it takes to make the same elsewhere, or to change it here: `sartor apply FILE`.
# What a file does not name stays as it is.
"""


def read(file: str, top: Mapped, faults: list[str]) -> Iterator[Declared]:
    """Yield what a file declares; what is wrong is added to ``faults``.

    Args:
        file: its name.
        top: its content.
        faults: gets a line for each.
    """
    yield from _Reader(file, faults).sections(top, None, "The file")


class _Reader:
    def __init__(self, file: str, faults: list[str]) -> None:
        self._file = file
        self._faults = faults

    def sections(self, given: Mapped, over: Declared | None, what: str) -> Iterator[Declared]:
        """Yield the resources of the sections under a resource, or of the file."""
        nested = {one.section: one for one in nested_in(None if over is None else over.kind)}
        for name, section in given.items():
            if name not in nested:
                if over is None:
                    hint = typed.meant(name, nested)
                    self._faults.append(f"{self._file}:{given.lines[name]}: {what} has no {name}{hint}")
                continue
            if nested[name].name in (DATASET_IMPORT_JOB, SOLUTION_VERSION):
                continue  # what its dataset or solution says of itself
            try:
                resources = typed.mapping(section, name)
            except Fault as fault:
                self._fault(fault)
                continue
            for called, members in resources.items():
                yield from self._resource(nested[name], called, members, resources.lines[called], over)

    def _resource(
        self, row: Declarable, called: str, given: Any, line: int, over: Declared | None
    ) -> Iterator[Declared]:
        """Yield a resource and what stands under it."""
        place = f"{self._file}:{line}"
        path = f"{row.name} {called}"
        name = called
        if row.name in _BY_GROUP and over is not None:
            name = f"{over.name}/{called.upper() if row.name == DATASET else called}"
        named = {} if over is None else {over.kind: over.name}
        try:
            if isinstance(given, Text) and given.resolved is not None and len(row.required) == 1:
                members = {next(iter(row.required)): str(given)}  # a filter that is its expression alone
                yield Declared(row.name, name, members, named, place=place)
                return
            found = typed.mapping(given, path)
            apart = _apart(row, found, name, path)
            if row.name == DATASET:
                named[SCHEMA] = _text(found, "schema", path)
            words = (*_sections(row), *_WORDS.get(row.name, ()), "tags")
            own = _own(found, words)
            shapes = {member: shape for member, shape in row.members.items() if member not in apart}
            required = [member for member in sorted(row.required) if member not in apart]
            members = {**apart, **typed.structure(own, shapes, required, path, also=words)}
            tags = _texts(found["tags"], f"{path}.tags") if "tags" in found else {}
        except Fault as fault:
            self._fault(fault)
            if isinstance(given, Mapped):
                yield from self.sections(given, Declared(row.name, name), path)  # what is wrong there too
            return
        one = Declared(row.name, name, members, named, tags, place)
        yield one
        yield from self._beside(row, one, found)
        yield from self.sections(found, one, path)

    def _beside(self, row: Declarable, one: Declared, given: Mapped) -> Iterator[Declared]:
        """Yield the import of a dataset, and the version of a solution that has campaigns or shall be trained."""
        try:
            if row.name == DATASET and "import" in given:
                yield self._import(one, given["import"])
            if row.name == SOLUTION:
                trained = given.get("trained")
                if trained is not None and not isinstance(typed.plain(trained), bool):
                    raise Fault(typed.line_of(trained), f"{one.label}.trained must be true or false.")
                if (trained is not None and typed.plain(trained)) or given.get("campaigns"):
                    yield training_of(one)
        except Fault as fault:
            self._fault(fault)

    def _import(self, dataset: Declared, given: Any) -> Declared:
        path = f"{dataset.label}.import"
        row = DECLARABLE[DATASET_IMPORT_JOB]
        found = typed.structure(given, row.members, ("dataSource", "roleArn"), path)
        return import_of(dataset, found, f"{self._file}:{typed.line_of(given)}")

    def _fault(self, fault: Fault) -> None:
        self._faults.append(f"{self._file}:{fault.line}: {fault.words}")


def _sections(row: Declarable) -> list[str]:
    """Return the sections that stand under a resource of a kind."""
    return [one.section for one in nested_in(row.name)]


def _apart(row: Declarable, given: Mapped, name: str, path: str) -> dict[str, Any]:
    """Return the members of Create that a file says in words of its own."""
    if row.name == DATASET:
        called = {"name": _text(given, "name", path)} if "name" in given else {}
        return {"datasetType": name.rpartition("/")[2], **called}
    if row.name == SCHEMA:
        if "schema" not in given:
            raise Fault(given.line, f"{path} needs schema.")
        return {"schema": typed.avro(given["schema"], f"{path}.schema")}
    return {"recipeArn": _recipe(given["recipe"], f"{path}.recipe")} if "recipe" in given else {}


def _own(given: Mapped, without: tuple[str, ...]) -> Mapped:
    """Return a mapping without some of its keys."""
    own = Mapped({name: one for name, one in given.items() if name not in without})
    own.line, own.lines = given.line, given.lines
    return own


def _text(given: Mapped, name: str, path: str) -> str:
    if not isinstance(given.get(name), Text):
        raise Fault(given.lines.get(name, given.line), f"{path} needs {name}, the name of one.")
    return str(given[name])


def _texts(given: Any, path: str) -> dict[str, str]:
    found = typed.mapping(given, path)
    for name, one in found.items():
        if not isinstance(one, Text):
            raise Fault(found.lines[name], f"{path}.{name} must be a text.")
    return {name: str(one) for name, one in found.items()}


def _recipe(given: Any, path: str) -> str:
    if not isinstance(given, Text):
        raise Fault(typed.line_of(given), f"{path} must be a recipe's name.")
    if given.startswith("arn:"):
        return str(given)
    names = [one.removeprefix(_RECIPE) for one in BY_ARN]
    if given not in names:
        raise Fault(given.line, f"{path}: there is no recipe {given}{typed.meant(given, names)}")
    return f"{_RECIPE}{given}"


def write(resources: Resources) -> str:
    """Return resources as the file that declares them."""
    return _FIRST_LINES + written(sections(resources))


def sections(resources: Resources) -> dict[str, Any]:
    """Return resources as the sections of the file that declares them."""
    tops: dict[str, Any] = {one.section: {} for one in (DECLARABLE[SCHEMA], DECLARABLE[DATASET_GROUP])}
    shown: dict[tuple[str, str], Any] = {}
    for one in in_order(resources.values()):
        row = one.declarable
        if one.kind == DATASET_IMPORT_JOB:
            shown[DATASET, one.name]["import"] = {
                name: value for name, value in one.members.items() if name != "jobName"
            }
            continue
        if one.kind == SOLUTION_VERSION:
            shown[SOLUTION, one.name]["trained"] = True
            continue
        over = tops if row.within is None else shown[row.within, one.named[row.within]]
        shown[one.key] = _shown(one)
        called = one.name.rpartition("/")[2] if one.kind in _BY_GROUP else one.name
        over.setdefault(row.section, {})[called] = shown[one.key]
    return {name: section for name, section in tops.items() if section}


def _shown(one: Declared) -> Any:
    """Return what a file says of a resource, without what stands under it."""
    members = {name: value for name, value in one.members.items() if name != "datasetType"}
    if one.kind == DATASET and members.get("name") == dataset_name(one):
        del members["name"]
    if "recipeArn" in members:
        members = {"recipe": members.pop("recipeArn").removeprefix(_RECIPE), **members}
    named = {"schema": one.named[SCHEMA]} if one.kind == DATASET else {}
    tags = {"tags": dict(one.tags)} if one.tags else {}
    if one.kind == FILTER and not tags:
        return str(members["filterExpression"])
    return {**named, **members, **tags}
