"""YAML whose every value knows its line, and YAML as people write it."""

import json
from typing import Any, Final

import yaml

from sartor.moving.declared import DeclarationError

#: CloudFormation's short forms, such as ``!Ref name``, by the key of their long form.
_INTRINSIC: Final = {"!Ref": "Ref", "!Condition": "Condition"}


class Text(str):
    """A scalar as it is written, so that ``1.10`` and ``no`` stay what they are.

    Attributes:
        line: from 1.
        resolved: what YAML takes it for: a number, a boolean, nothing.
    """

    __slots__ = ("line", "resolved")
    line: int
    resolved: Any


class Mapped(dict[str, Any]):
    """A mapping.

    Attributes:
        line: where it begins, from 1.
        lines: of its keys.
    """

    line: int
    lines: dict[str, int]


class Listed(list[Any]):
    """A list.

    Attributes:
        line: where it begins, from 1.
    """

    line: int


def read(name: str, text: str) -> Mapped:
    """Return the mapping that a text of YAML or JSON is.

    Args:
        name: of its file, for what is said of it.
        text: its content.

    Raises:
        DeclarationError: it is none.
    """
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON may have them between its words, YAML not
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        found = None if node is None else _value(name, node, frozenset())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}" if mark is not None else ""
        raise DeclarationError(f"{name}{at}: this is no YAML: {error.problem or error.context}.") from None
    except yaml.YAMLError as error:
        raise DeclarationError(f"{name}: this is no YAML: {error}") from None
    if not isinstance(found, Mapped):
        raise DeclarationError(f"{name}:1: a mapping is expected, with sections such as datasetGroups.")
    return found


def _value(name: str, node: yaml.Node, above: frozenset[int]) -> Any:
    """Return what a node is; ``above`` are the ids of the nodes that it is in."""
    line = node.start_mark.line + 1
    if id(node) in above:
        raise DeclarationError(f"{name}:{line}: an alias names what it is in.")
    above = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        return _mapped(name, node, above)
    if isinstance(node, yaml.SequenceNode):
        listed = Listed(_value(name, one, above) for one in node.value)
        listed.line = line
        return _short_form(node, listed)
    text = Text(node.value)
    text.line, text.resolved = line, _resolved(node)
    return _short_form(node, text)


def _mapped(name: str, node: yaml.MappingNode, above: frozenset[int]) -> Any:
    mapped = Mapped()
    mapped.line, mapped.lines = node.start_mark.line + 1, {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise DeclarationError(f"{name}:{line}: a key must be a text.")
        if key.value in mapped:
            raise DeclarationError(
                f"{name}:{line}: {key.value} is there twice, first in line {mapped.lines[key.value]}."
            )
        mapped[key.value], mapped.lines[key.value] = _value(name, value, above), line
    return _short_form(node, mapped)


def _resolved(node: yaml.Node) -> Any:
    """Return what YAML takes a scalar for; the words of other YAMLs than 1.2 stay texts."""
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool" and node.value.lower() in ("true", "false"):
        return node.value.lower() == "true"
    if kind in ("int", "float"):
        try:
            return json.loads(node.value)
        except ValueError:
            return node.value
    return node.value


def _short_form(node: yaml.Node, value: Any) -> Any:
    """Return CloudFormation's long form of ``!Ref name`` and its like; everything else as it is."""
    if not node.tag.startswith("!"):
        return value
    mapped = Mapped()
    mapped.line = node.start_mark.line + 1
    word = _INTRINSIC.get(node.tag, f"Fn::{node.tag[1:]}")
    mapped[word], mapped.lines = value, {word: mapped.line}
    return mapped


class _Writer(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Writes texts of several lines as blocks, and lists below their keys."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists too."""
        super().increase_indent(flow, False)


def _text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Writer.add_representer(str, _text)


def written(value: Any) -> str:
    """Return plain values as YAML, in their order."""
    text: str = yaml.dump(
        value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False
    )
    return text
