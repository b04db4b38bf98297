"""How variables are set in the shells that people use, and in files that programs read."""

import json
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:,+@%=\[\]*-]*")


@dataclass(frozen=True)
class Format:
    """How one shell sets variables, a line each.

    Attributes:
        set: takes a name and a value.
        unset: takes a name.
        fail: takes words, which the shell says; its status is a failure. ``None`` for what nobody evaluates.
    """

    set: Callable[[str, str], str]
    unset: Callable[[str], str]
    fail: Callable[[str], str] | None = None


def _fish(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _powershell(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def _dotenv(text: str) -> str:
    """Quote only what needs it: Docker takes quotes for a part of the value."""
    return text if _PLAIN.fullmatch(text) else f"'{text}'"


#: Every format by its word.                                                            <- add a shell
FORMATS: Final[Mapping[str, Format]] = {
    "sh": Format(
        lambda name, value: f"export {name}={shlex.quote(value)}",
        lambda name: f"unset {name}",
        lambda words: f"echo {shlex.quote(words)} >&2; false",
    ),
    "fish": Format(
        lambda name, value: f"set -gx {name} {_fish(value)}",
        lambda name: f"set -e {name}",
        lambda words: f"echo {_fish(words)} >&2; false",
    ),
    "powershell": Format(
        lambda name, value: f"$env:{name} = {_powershell(value)}",
        lambda name: f"Remove-Item Env:{name} -ErrorAction SilentlyContinue",
        lambda words: f"throw {_powershell(words)}",
    ),
    "dotenv": Format(lambda name, value: f"{name}={_dotenv(value)}", lambda name: f"{name}="),
}
JSON: Final = "json"


def written(form: str, variables: Mapping[str, str], unset: Collection[str]) -> str:
    """Return what sets variables, and unsets others, in one of ``FORMATS`` or as ``json``, which has the set ones."""
    if form == JSON:
        return json.dumps(variables, indent=2)
    one = FORMATS[form]
    lines = [one.unset(name) for name in unset]
    return "\n".join([*lines, *(one.set(name, value) for name, value in variables.items())])


def failed(form: str, variables: Mapping[str, str], words: str) -> str | None:
    """Return what sets variables and then fails with words, ``None`` where nobody evaluates it."""
    fail = None if form == JSON else FORMATS[form].fail
    return None if fail is None else "\n".join([written(form, variables, ()), fail(words)])
