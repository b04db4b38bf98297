"""What the service models say, a line for each fact, and where the installed ones say something else.

Operations, members and constraints come from the botocore that is installed, so a newer one changes what is
answered without a word. ``service_models.txt`` keeps what they said when Sartor was tested with them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from sartor.wire.operations import service_models

#: Where the facts are kept.
RECORD: Final = Path(__file__).with_name("service_models.txt")
#: What says nothing to a program.
_FOR_READERS: Final = frozenset({"documentation", "deprecatedMessage", "deprecatedSince"})
#: The traits of an operation and of a shape that name other shapes.
_ENDS: Final = ("input", "output")
_INNER: Final = ("member", "key", "value")

Model = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """A fact that is not as it was.

    Attributes:
        where: service, and operation, error, shape or member.
        recorded: what was kept; ``None`` if there was nothing.
        installed: what there is now; ``None`` if there is nothing.
    """

    where: str
    recorded: str | None
    installed: str | None

    def __str__(self) -> str:
        """Say it in a line."""
        if self.recorded is None:
            return f"{self.where} is new: {self.installed}"
        if self.installed is None:
            return f"{self.where} is gone; it was: {self.recorded}"
        return f"{self.where} is now: {self.installed}; it was: {self.recorded}"


def facts(models: Mapping[str, Model]) -> dict[str, str]:
    """Return everything that service models say to a program, by where they say it.

    Args:
        models: botocore's descriptions by service, as ``service_models`` gives them.
    """
    found: dict[str, str] = {}
    for service, model in models.items():
        found[service] = _words(model["metadata"])
        names: list[str] = []
        for name, operation in model["operations"].items():
            found[f"{service} {name}"] = _words(operation, "name", "errors")
            for error in operation.get("errors", ()):
                found[f"{service} {name} error {error['shape']}"] = "declared"
                names.append(error["shape"])
            names += [operation[end]["shape"] for end in _ENDS if end in operation]
        for name in _reachable(model["shapes"], names):
            for where, words in _of_shape(name, model["shapes"][name]):
                found[f"{service} {where}"] = words
    return found


def differences(was: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Return what differs between two sets of facts, sorted by where."""
    return [
        Difference(where, was.get(where), now.get(where))
        for where in sorted({*was, *now})
        if was.get(where) != now.get(where)
    ]


def written(of: Mapping[str, str], botocore: str) -> str:
    """Return facts as the text that is kept: sorted, one a line, so that versions can be compared."""
    lines = [f"{where}: {words}" for where, words in sorted(of.items())]
    return (
        "\n".join(
            [f"# The service models of botocore {botocore}, by `python -m conformance.wire --write`.", *lines]
        )
        + "\n"
    )


def read(text: str) -> dict[str, str]:
    """Return the facts of a text that ``written`` gave."""
    pairs = (line.partition(": ") for line in text.splitlines() if not line.startswith("#"))
    return {where: words for where, _, words in pairs}


def tested_with() -> str:
    """Return the version of botocore whose facts are kept."""
    return RECORD.read_text(encoding="utf-8").partition(",")[0].rpartition(" ")[2]


@cache
def installed() -> tuple[Difference, ...]:
    """Return where the installed service models differ from those that were kept."""
    return tuple(differences(read(RECORD.read_text(encoding="utf-8")), facts(service_models())))


def _reachable(shapes: Mapping[str, Model], names: list[str]) -> list[str]:
    """Return the names of all shapes that some shapes lead to, these included."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            shape = shapes[name]
            names += [shape[trait]["shape"] for trait in _INNER if trait in shape]
            names += [member["shape"] for member in shape.get("members", {}).values()]
    return sorted(found)


def _of_shape(name: str, shape: Model) -> Iterator[tuple[str, str]]:
    """Yield what is said of a shape, and of each of its members."""
    yield name, _words(shape, "members", "required")
    required = shape.get("required", ())
    for member, traits in shape.get("members", {}).items():
        words = _words(traits)
        yield f"{name}.{member}", f"{words} required" if member in required else words


def _words(traits: Model, *besides: str) -> str:
    """Return traits as words in the order of their names, without those that are told elsewhere."""
    told = sorted(set(traits) - _FOR_READERS - set(besides))
    return " ".join(f"{name}={_word(traits[name])}" for name in told)


def _word(value: Any) -> str:
    if isinstance(value, dict) and set(value) - _FOR_READERS == {"shape"}:
        return str(value["shape"])
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value, sort_keys=True)
