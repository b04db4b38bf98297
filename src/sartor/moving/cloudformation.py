"""CloudFormation templates with ``AWS::Personalize::*``, as far as plain values say everything.

Source: the CloudFormation user guide, "Amazon Personalize resource type reference", "Intrinsic function reference".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sartor.moving import typed
from sartor.moving.declared import Declared, import_of
from sartor.moving.kinds import DECLARABLE
from sartor.moving.typed import Fault
from sartor.moving.yaml_file import Listed, Mapped, Text
from sartor.resources.kind_names import DATASET, DATASET_GROUP, DATASET_IMPORT_JOB, SCHEMA, SOLUTION

#: The resource types, and which kind each is.
TYPES: Final = {
    "AWS::Personalize::DatasetGroup": DATASET_GROUP,
    "AWS::Personalize::Schema": SCHEMA,
    "AWS::Personalize::Dataset": DATASET,
    "AWS::Personalize::Solution": SOLUTION,
}
_SUB: Final = re.compile(r"\$\{(!?)([^}]+)\}")


def is_template(top: Mapped) -> bool:
    """Return whether a file is a template."""
    return "Resources" in top


def read(file: str, top: Mapped, given: Mapping[str, str], faults: list[str]) -> Iterator[Declared]:
    """Yield what a template declares; what is wrong is added to ``faults``.

    Args:
        file: its name.
        top: its content.
        given: values of its parameters, and of pseudo parameters such as ``AWS::Region``.
        faults: gets a line for each.
    """
    try:
        template = _Template(top, given)
    except Fault as fault:
        faults.append(f"{file}:{fault.line}: {fault.words}")
        return
    for logical in template.ours:
        try:
            yield from template.resource(file, logical)
        except Fault as fault:
            faults.append(f"{file}:{fault.line}: {fault.words}")


class _Template:
    def __init__(self, top: Mapped, given: Mapping[str, str]) -> None:
        self._values = dict(given)
        for name, parameter in typed.mapping(top.get("Parameters", _nothing(top)), "Parameters").items():
            default = typed.mapping(parameter, f"Parameters.{name}").get("Default")
            if name not in given and default is not None:
                self._values[name] = str(default)
        resources = typed.mapping(top["Resources"], "Resources")
        self._resources = {name: typed.mapping(one, f"Resources.{name}") for name, one in resources.items()}
        self._lines = resources.lines
        #: The logical ids of what can be made here.
        self.ours = [name for name, one in self._resources.items() if str(one.get("Type")) in TYPES]
        #: Those of the rest, with their types.
        self.others = {
            name: str(one.get("Type")) for name, one in self._resources.items() if name not in self.ours
        }

    def resource(self, file: str, logical: str) -> Iterator[Declared]:
        """Yield a resource, and what a dataset imports."""
        kind = TYPES[str(self._resources[logical]["Type"])]
        row, path, place = DECLARABLE[kind], f"Resources.{logical}", f"{file}:{self._lines[logical]}"
        given = self._properties(logical)
        named = {
            other: self._named(given, _capital(member), other, path) for member, other in row.named.items()
        }
        apart = ("Name", "Tags", "DatasetImportJob", *map(_capital, row.named))
        own = Mapped({name: self.resolved(one) for name, one in given.items() if name not in apart})
        own.line, own.lines = given.line, given.lines
        name, more = self.name(logical), {}
        if kind == SCHEMA:
            schema = own.pop("Schema", _nothing(own))
            more = {"schema": typed.avro(schema, f"{path}.Schema")}
        shapes = {member: shape for member, shape in row.members.items() if member not in more}
        required = [member for member in sorted(row.required) if member not in more]
        members = {**more, **typed.structure(own, shapes, required, path, _small)}
        if kind == DATASET:
            members = {**members, "name": name, "datasetType": members["datasetType"].upper()}
            name = f"{named[DATASET_GROUP]}/{members['datasetType']}"
        one = Declared(kind, name, members, named, self._tags(given, path), place)
        yield one
        if "DatasetImportJob" in given:
            yield self._import(one, given["DatasetImportJob"], file, path)

    def _import(self, dataset: Declared, given: Any, file: str, path: str) -> Declared:
        resolved = self.resolved(given)
        found = typed.mapping(resolved, f"{path}.DatasetImportJob")
        own = Mapped(
            {name: one for name, one in found.items() if name in ("JobName", "DataSource", "RoleArn")}
        )
        own.line, own.lines = found.line, found.lines
        members = typed.structure(
            own,
            DECLARABLE[DATASET_IMPORT_JOB].members,
            ("dataSource", "roleArn"),
            f"{path}.DatasetImportJob",
            _small,
        )
        return import_of(dataset, members, f"{file}:{found.line}")

    def _tags(self, given: Mapped, path: str) -> dict[str, str]:
        found = self.resolved(given.get("Tags", Listed()))
        if not all(isinstance(one, Mapped) and one.keys() == {"Key", "Value"} for one in found):
            raise Fault(given.lines["Tags"], f"{path}.Tags must be a list of Key and Value.")
        return {str(one["Key"]): str(one["Value"]) for one in found}

    def _properties(self, logical: str) -> Mapped:
        one = self._resources[logical]
        return typed.mapping(one.get("Properties", _nothing(one)), f"Resources.{logical}.Properties")

    def name(self, logical: str) -> str:
        """Return the name of a resource of the template."""
        given = self._properties(logical)
        if "Name" not in given:
            raise Fault(given.line, f"Resources.{logical} needs Name.")
        return str(self.resolved(given["Name"]))

    def _named(self, given: Mapped, member: str, kind: str, path: str) -> str:
        """Return the name of the resource that a property names, by its logical id or its ARN."""
        if member not in given:
            raise Fault(given.line, f"{path} needs {member}.")
        logical = self._logical(given[member])
        if logical is not None and logical in self._resources:
            if TYPES.get(str(self._resources[logical].get("Type"))) != kind:
                raise Fault(given.lines[member], f"{path}.{member} names {logical}, which is no {kind}.")
            return self.name(logical)
        arn = str(self.resolved(given[member]))
        if not arn.startswith("arn:"):
            raise Fault(given.lines[member], f"{path}.{member} must be the ARN of a {kind}, not {arn}.")
        return arn.rpartition("/")[2]

    def _logical(self, given: Any) -> str | None:
        """Return which resource ``Ref`` or ``Fn::GetAtt`` names."""
        if not isinstance(given, Mapped) or len(given) != 1:
            return None
        ((word, what),) = given.items()
        if word == "Ref":
            return str(what)
        if word == "Fn::GetAtt":
            return str(what[0]) if isinstance(what, Listed) else str(what).partition(".")[0]
        return None

    def resolved(self, given: Any) -> Any:
        """Return a value with the parameters in their places.

        Raises:
            Fault: it says something that only Amazon can know.
        """
        if isinstance(given, Listed):
            listed = Listed(map(self.resolved, given))
            listed.line = typed.line_of(given)
            return listed
        if not isinstance(given, Mapped):
            return given
        word = next(iter(given), "")
        if len(given) == 1 and (word == "Ref" or word.startswith("Fn::")):
            return self._intrinsic(word, given[word], given.line)
        mapped = Mapped({name: self.resolved(one) for name, one in given.items()})
        mapped.line, mapped.lines = given.line, given.lines
        return mapped

    def _intrinsic(self, word: str, what: Any, line: int) -> Text:
        if word == "Ref":
            return _text(self._value(str(what), line), line)
        if word == "Fn::Sub":
            own: Mapping[str, Any] = {}
            if isinstance(what, Listed) and len(what) == 2:
                own = {name: str(self.resolved(one)) for name, one in typed.mapping(what[1], word).items()}
                what = what[0]
            if isinstance(what, Text):
                return _text(_SUB.sub(lambda found: self._substituted(found, own, line), what), line)
        if word == "Fn::Join" and isinstance(what, Listed) and len(what) == 2 and isinstance(what[1], Listed):
            return _text(str(what[0]).join(str(self.resolved(one)) for one in what[1]), line)
        raise Fault(
            line, f"{word} is not understood here: write the value itself, or give it as a parameter."
        )

    def _substituted(self, found: re.Match[str], own: Mapping[str, str], line: int) -> str:
        if found[1]:
            return f"${{{found[2]}}}"
        return own[found[2]] if found[2] in own else self._value(found[2], line)

    def _value(self, name: str, line: int) -> str:
        if name in self._values:
            return self._values[name]
        if name in self._resources:
            raise Fault(line, f"{name} is a resource of the template; its value is known at Amazon only.")
        raise Fault(line, f"The parameter {name} has no value: give it with --parameter {name}=VALUE.")


def left_out(top: Mapped) -> dict[str, str]:
    """Return the logical ids of the resources that are none of Personalize, with their types."""
    return _Template(top, {}).others


def _capital(member: str) -> str:
    return member[:1].upper() + member[1:]


def _small(name: str) -> str:
    return name[:1].lower() + name[1:]


def _text(value: str, line: int) -> Text:
    text = Text(value)
    text.line, text.resolved = line, _resolved(value)
    return text


def _resolved(value: str) -> Any:
    """Return what a parameter's text is where a number or a boolean is wanted."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value


def _nothing(near: Mapped) -> Mapped:
    empty = Mapped()
    empty.line, empty.lines = near.line, {}
    return empty
