"""The same by a program: each call of a page as a line of boto3 and as a line of a shell.

The shell is that of ``eval "$(sartor env)"``, where ``aws`` and ``sartor`` talk to this server.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sartor.console.pages.calls import Call, OwnCall
from sartor.wire.operations import Operation
from sartor.wire.spelling import CLIENTS, option_name, python_name

#: What makes the clients that the lines of Python use.
PREAMBLE: Final = "\n".join(
    ["import boto3", *(f'{name} = boto3.client("{service}")' for service, name in CLIENTS.items())]
)


@dataclass(frozen=True)
class Lines:
    """One call as programs make it.

    Attributes:
        title: the operation, or the method and the address of one of our own paths.
        python: a line of boto3; empty for what Amazon has no operation for.
        shell: a line of a shell.
    """

    title: str
    python: str
    shell: str


def lines_of(calls: Iterable[Call | OwnCall], operations: Mapping[str, Operation]) -> list[Lines]:
    """Return each call once, in order."""
    found = [_amazon(one, operations[one.operation]) if isinstance(one, Call) else _own(one) for one in calls]
    return list({one.shell: one for one in found}.values())


def _amazon(call: Call, operation: Operation) -> Lines:
    arguments = ", ".join(f"{name}={_python(value)}" for name, value in call.members.items())
    client = CLIENTS[operation.service]
    words = ["aws", operation.service, option_name(operation.name)]
    shapes = operation.model.input_shape.members if operation.model.input_shape else {}
    for name, value in call.members.items():
        words += _option(option_name(name), value, shapes[name].type_name)
    python = f"{client}.{python_name(operation.name)}({arguments})"
    return Lines(operation.name, python, " ".join(words))


def _option(name: str, value: Any, type_name: str) -> list[str]:
    """Return an option of the AWS CLI; what stands in the shell is quoted."""
    if type_name == "boolean":
        return [f"--{name}" if value else f"--no-{name}"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [f"--{name}={shlex.quote(text)}"] if text.startswith("-") else [f"--{name}", shlex.quote(text)]


def _python(value: Any) -> str:
    """Return a value as Python writes it, with the quotes of JSON where a text has none."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_python(key)}: {_python(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_python, value)) + "]"
    return repr(value)


#: Makes the words of a command of the parts of a path, which the pattern found, and of what else was asked; ``None``
#: if the command cannot ask that.
_Words = Callable[[tuple[str, ...], Mapping[str, Any]], list[str] | None]


def _options(asked: Mapping[str, Any], **options: str) -> list[str]:
    """Return the options of ``sartor`` for what was asked, by the member's name."""
    return [
        word
        for name, option in options.items()
        if name in asked
        for word in (f"--{option}", str(asked[name]))
    ]


def _listed(_parts: tuple[str, ...], asked: Mapping[str, Any]) -> list[str] | None:
    kinds = [str(asked["kinds"])] if "kinds" in asked else []
    if "name" in asked or any("," in one for one in kinds):
        return None
    return ["list", *kinds, *_options(asked, limit="limit"), "--json"]


#: Our own paths, below ``/sartor/v1/``, and the command that asks each.                    <- add a path
_COMMANDS: Final[Mapping[str, _Words]] = {
    "status": lambda _parts, _asked: ["status", "--json"],
    "resources": _listed,
    "jobs": lambda _parts, asked: (
        None
        if {"kinds", "after"} & asked.keys()
        else ["jobs", *_options(asked, limit="limit", state="state", search="search"), "--json"]
    ),
    "jobs/stop": lambda _parts, asked: ["stop", str(asked["jobArn"]), "--json"],
    "import-jobs/(.+)/report": lambda parts, _asked: ["report", *parts, "--json"],
    "datasets/(.+)/statistics": lambda parts, _asked: ["describe", *parts, "--json"],
    "datasets/(.+)/history": lambda parts, asked: (
        None if "limit" in asked else ["history", *parts, *_options(asked, before="before"), "--json"]
    ),
    "datasets/(.+)/rollback": lambda parts, asked: ["rollback", *parts, "--to", str(asked["to"])],
    "(?:solution-version|recommender)s/(.+)": lambda parts, _asked: (
        None if parts[0].endswith("/verify") else ["training", *parts, "--json"]
    ),
    "explain": lambda _parts, asked: (
        None
        if {"context", "filterExpression"} & asked.keys()
        else [
            *("explain", str(asked.get("campaignArn") or asked.get("recommenderArn"))),
            *_options(asked, userId="user", itemId="item", filterArn="filter", numResults="results"),
            *_values(asked),
            "--json",
        ]
    ),
    "filters/test": lambda _parts, asked: [
        *("filter", "test", asked["filterExpression"], "--group", asked["datasetGroupArn"]),
        *_options(asked, userId="user", itemId="item"),
        *_values(asked),
        "--json",
    ],
}


def _values(asked: Mapping[str, Any]) -> list[str]:
    pairs = asked.get("filterValues") or {}
    return [word for name, value in pairs.items() for word in ("--value", f"{name}={value}")]


def _own(call: OwnCall) -> Lines:
    """Return a request to one of our own paths: the command that makes it, else curl, which can sign."""
    path = "/".join(call.parts)
    query = f"?{call.query}" if call.query else ""
    title = f"{'GET' if call.members is None else 'POST'} {call.path}{query}"
    asked = {**call.parameters, **(call.members or {})}
    for pattern, words_of in _COMMANDS.items():
        found = re.fullmatch(pattern, path)
        command = None if found is None else words_of(found.groups(), asked)
        if command is not None:
            return Lines(title, "", shlex.join(["sartor", *command]))
    body: list[str] = []
    if call.members is not None:
        text = json.dumps(call.members, ensure_ascii=False)
        body = ["-H", "'content-type: application/json'", "-d", shlex.quote(text)]
    url = f'"$AWS_ENDPOINT_URL_PERSONALIZE{call.path}{query}"'
    user = '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
    words = ["curl", "--silent", "--aws-sigv4", '"aws:amz:$AWS_REGION:personalize"', user, *body, url]
    return Lines(title, "", " ".join(words))
