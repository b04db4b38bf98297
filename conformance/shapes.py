"""Values made from the shapes of a service model: valid ones, and ones with one constraint broken."""

import random
from collections.abc import Iterator
from typing import Any

SAMPLES = {
    "^[a-zA-Z0-9][a-zA-Z0-9\\-_]*": "name-1",
    "arn:([a-z\\d-]+):personalize:.*:.*:.+": "arn:aws:personalize:us-east-1:000000000000:schema/x",
    "arn:([a-z\\d-]+):iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+": "arn:aws:iam::000000000000:role/x",
    "arn:aws.*:kms:.*:[0-9]{12}:key/.*": "arn:aws:kms:us-east-1:000000000000:key/x",
    "(s3|http|https)://.+": "s3://bucket/key",
    "^[A-Za-z_]+$": "Interactions",
    "\\p{ASCII}{0,1500}": "token",
    "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$": "schlüssel 1",
    "rate\\(\\d+ days?\\)": "rate(7 days)",
    "[A-Za-z_][A-Za-z\\d_]*": "COLUMN_1",
    "^[\\x20-\\x7E]*[\\x21-\\x7E]+[\\x20-\\x7E]*$": "source",
    "[A-Za-z\\d_]+": "NAME_1",
    "[A-Za-z0-9_]+": "NAME_1",
}


def value(shape: Any, rng: random.Random, deep: bool = True) -> Any:
    """Return a valid value; every optional member is there when ``deep``, else at random."""
    kind, metadata = shape.type_name, shape.metadata
    if kind == "structure":
        wanted = [
            name for name in shape.members if deep or name in shape.required_members or rng.random() < 0.5
        ]
        return {name: value(shape.members[name], rng, deep) for name in wanted}
    if kind == "list":
        size = max(metadata.get("min", 0), 1)
        return [
            value(shape.member, rng, deep)
            for _ in range(min(size + rng.randint(0, 1), metadata.get("max", 9)))
        ]
    if kind == "map":
        return {value(shape.key, rng): value(shape.value, rng, deep)}
    if kind == "string":
        return _string(shape, rng)
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "timestamp":
        return 1_700_000_000 + rng.randint(0, 10**6)
    low, high = metadata.get("min", 1), metadata.get("max", 100)
    number = rng.randint(int(low), int(max(low, min(high, 10**6))))
    return number if kind in ("integer", "long") else float(number)


def _string(shape: Any, rng: random.Random) -> str:
    metadata = shape.metadata
    if "enum" in metadata:
        return str(rng.choice(metadata["enum"]))
    if shape.serialization.get("jsonvalue"):
        return '{"a": 1}'
    if "pattern" in metadata:
        return SAMPLES[metadata["pattern"]]
    size = max(metadata.get("min", 0), 3)
    return "".join(rng.choice("abcXYZ é") for _ in range(min(size, metadata.get("max", size))))


def broken(shape: Any, rng: random.Random) -> Iterator[tuple[str, str, Any]]:
    """Yield (member's name, words of the fault, request) with one constraint broken in each request."""
    for path, words, change in _breaks(shape, (), rng):
        request = value(shape, rng)
        yield path, words, change(request)


def _breaks(shape: Any, path: tuple[Any, ...], rng: random.Random) -> Iterator[tuple[str, str, Any]]:
    """Yield each way to break a constraint of a structure's members, at any depth."""
    for name, member in shape.members.items():
        here = (*path, name)
        if name in shape.required_members:
            yield name, "must not be null", _deleting(here)
        for words, wrong in _wrong_values(member, rng):
            yield name, words, _setting(here, wrong)
        if member.type_name == "structure":
            yield from _breaks(member, here, rng)
        elif member.type_name == "list" and member.member.type_name == "structure":
            yield from _breaks(member.member, (*here, 0), rng)
        elif member.type_name == "list":
            for words, wrong in _wrong_values(member.member, rng):
                yield name, words, _setting((*here, 0), wrong)


def _wrong_values(shape: Any, rng: random.Random) -> Iterator[tuple[str, Any]]:
    metadata, kind = shape.metadata, shape.type_name
    if kind == "string":
        yield ("json" if shape.serialization.get("jsonvalue") else "must be a string"), 17
        if "max" in metadata:
            yield f"length less than or equal to {metadata['max']}", "x" * (metadata["max"] + 1)
        if metadata.get("min", 0) > 0:
            yield f"length greater than or equal to {metadata['min']}", ""
        if "pattern" in metadata:
            yield "regular expression pattern", "\x00 ü\n"
        if "enum" in metadata:
            yield "enum value set", "NOT_ONE_OF_THEM"
        if shape.serialization.get("jsonvalue"):
            yield "json", "{not json"
    elif kind == "list":
        yield "must be a list", "text"
        if "max" in metadata and metadata["max"] <= 500:
            yield (
                f"less than or equal to {metadata['max']}",
                [value(shape.member, rng)] * (metadata["max"] + 1),
            )
        if metadata.get("min", 0) > 0:
            yield f"greater than or equal to {metadata['min']}", []
    elif kind == "map":
        yield "must be a map", []
        if "max" in metadata and metadata["max"] <= 500:
            entry = value(shape.value, rng)
            yield (
                f"less than or equal to {metadata['max']}",
                {f"K{'x' * n}": entry for n in range(metadata["max"] + 1)},
            )
        for words, wrong in _wrong_values(shape.key, rng):
            if isinstance(wrong, str):
                yield words, {wrong: value(shape.value, rng)}
        for words, wrong in _wrong_values(shape.value, rng):
            yield words, {value(shape.key, rng): wrong}
    elif kind in ("integer", "long", "float", "double"):
        yield "must be", "a text"
        if "max" in metadata:
            yield f"value less than or equal to {metadata['max']}", metadata["max"] + 1
        if "min" in metadata:
            yield f"value greater than or equal to {metadata['min']}", metadata["min"] - 1
    elif kind == "structure":
        yield "must be a structure", "text"
    else:
        yield "must be", {"no": "such thing"}


def _deleting(path: tuple[Any, ...]) -> Any:
    def change(request: Any) -> Any:
        _parent(request, path).pop(path[-1])
        return request

    return change


def _setting(path: tuple[Any, ...], wrong: Any) -> Any:
    def change(request: Any) -> Any:
        _parent(request, path)[path[-1]] = wrong
        return request

    return change


def _parent(request: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        request = request[step]
    return request
