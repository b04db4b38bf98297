"""Requests and files that nobody means well with, as hypothesis strategies."""

import json
import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from sartor.wire.operations import Operation

#: JSON that json.dumps would not write, or not soon.
TOKENS = (
    "1e400",
    "-1e400",
    "Infinity",
    "NaN",
    "-0",
    "0.9",
    "1" * 5000,
    "9223372036854775808",
    "1e300",
    "-1",
    "true",
    "null",
    "[" * 100_000,
    '{"a":' * 20_000,
    '"\\ud800"',
    '"\\u0000"',
    '"' + "x" * 100_000 + '"',
    '""',
    "[]",
    "{}",
    '" 5_0 "',
    '"１６"',
    '"0000000010"',
    '"../../etc/passwd"',
    '"s3://shop//x.csv"',
    '"s3://shop/../x.csv"',
    '"s3://shop/data[1].csv"',
    '"' + "(" * 5000 + '"',
    '"INCLUDE ItemID WHERE Items.PRICE > 1e400"',
)
QUERY_VALUES = ("0.9", "1e400", "-1", "1" * 5000, "%00", "%ff", "%ud800", "１６", "", "0", "true", "'")
HEADERS = {
    "content-type": ("text/plain", "application/json; charset=utf-16", "", "x" * 1000),
    "x-amz-target": ("AmazonPersonalize.", "AmazonPersonalize.Nothing", "\x7f", "x" * 10_000),
    "x-amz-date": ("20261127T000000Z", "99999999T999999Z", "x", "1" * 5000),
    "authorization": ("AWS4-HMAC-SHA256 Credential=", "AWS4-HMAC-SHA256 " + "=," * 1000, "Basic eDp5"),
    "content-encoding": ("gzip", "aws-chunked"),
    "host": ("evil.example", "127.0.0.1", ""),
}
_MARK = "\N{REPLACEMENT CHARACTER}mark-{}\N{REPLACEMENT CHARACTER}"
_MARKED = re.compile('"\N{REPLACEMENT CHARACTER}mark-([0-9]+)\N{REPLACEMENT CHARACTER}"')


#: How many values are meant well for each that is not.
WELL_MEANT = 30


def value_of(shape: Any, known: Mapping[str, str], name: str = "") -> st.SearchStrategy[Any]:
    """Values of a service model's shape, of which any may be hostile instead.

    Args:
        shape: of the value.
        known: what stands for something that is there, by the name of its member.
        name: of the value's member.
    """
    hostile = st.integers(0, len(TOKENS) - 1).map(lambda at: _MARK.replace("{}", str(at)))
    valid = _valid(shape, known, name)
    return st.integers(0, WELL_MEANT).flatmap(lambda drawn: valid if drawn else hostile)


def _valid(shape: Any, known: Mapping[str, str], name: str) -> st.SearchStrategy[Any]:
    kind, metadata = shape.type_name, shape.metadata
    if kind == "structure":
        members = {one: value_of(member, known, one) for one, member in shape.members.items()}
        required = {one: members.pop(one) for one in shape.required_members}
        return st.fixed_dictionaries(required, optional=members)
    if kind == "list":
        low = metadata.get("min", 0)
        return st.lists(value_of(shape.member, known, name), min_size=low, max_size=low + 2)
    if kind == "map":
        return st.dictionaries(
            st.text("abcXYZ_1", min_size=1, max_size=5), value_of(shape.value, known), max_size=2
        )
    if kind == "string":
        return _text(shape, known, name)
    if kind == "boolean":
        return st.booleans()
    if kind == "timestamp":
        return st.one_of(st.integers(0, 2**33), st.floats(0, 2**33), st.integers(-(2**40), 2**65))
    low, high = int(metadata.get("min", 0)), int(min(metadata.get("max", 500), 10**6))
    return st.integers(low, high) if kind in ("integer", "long") else st.floats(low, high)


def _text(shape: Any, known: Mapping[str, str], name: str) -> st.SearchStrategy[str]:
    metadata = shape.metadata
    if name in known:
        return st.one_of(*[st.just(known[name])] * 9, st.sampled_from(sorted(known.values())))
    if "enum" in metadata:
        return st.sampled_from(metadata["enum"])
    if shape.serialization.get("jsonvalue"):
        return st.dictionaries(
            st.sampled_from(["eventValue", "itemId", "price", "x"]), st.integers(0, 9)
        ).map(json.dumps)
    low = metadata.get("min", 0)
    return st.one_of(
        st.text("abcdefghijk-123", min_size=max(low, 3), max_size=max(low, 12)),
        st.text(min_size=low, max_size=low + 20),
        st.sampled_from(["user-1", "item-1", "true", "5", "INCLUDE ItemID WHERE Items.PRICE > 1"]),
    )


def body_of(operation: Operation, known: Mapping[str, str]) -> st.SearchStrategy[bytes]:
    """Bodies for one operation: of its shape with hostile values in it, or no JSON at all."""
    shaped = value_of(operation.model.input_shape, known).map(_dumped)
    return st.one_of(*[shaped] * 19, st.binary(max_size=200), st.sampled_from(TOKENS).map(str.encode))


def _dumped(value: Any) -> bytes:
    text = json.dumps(value)
    return _MARKED.sub(lambda found: TOKENS[int(found[1])], _unescaped(text)).encode("utf-8", "surrogatepass")


def _unescaped(text: str) -> str:
    return text.replace("\\ufffd", "\N{REPLACEMENT CHARACTER}")


def path_of(paths: Mapping[str, Any], known: Mapping[str, str]) -> st.SearchStrategy[tuple[str, str, bytes]]:
    """Method, path with query, and body for a path of an OpenAPI description."""
    part = st.one_of(
        st.sampled_from([arn.replace("/", "%2F") for arn in sorted(known.values())]),
        st.sampled_from(sorted(known.values())),
        st.text("abc%/.[]*?", max_size=10),
    )
    member = st.integers(0, len(TOKENS) - 1).map(lambda at: _MARK.replace("{}", str(at)))
    body = st.dictionaries(
        st.sampled_from(
            ["to", "campaignArn", "userId", "itemId", "filterArn", "filterValues", "number", "x"]
        ),
        st.one_of(member, st.sampled_from(sorted(known.values())), st.integers(-3, 3), st.text(max_size=5)),
        max_size=4,
    ).map(_dumped)
    query = st.dictionaries(
        st.sampled_from(["user", "number", "after", "maxResults", "limit", "version", "x"]),
        st.sampled_from(QUERY_VALUES),
        max_size=3,
    ).map(lambda found: "&".join(f"{name}={value}" for name, value in found.items()))

    @st.composite
    def request(draw: Any) -> tuple[str, str, bytes]:
        path = draw(st.sampled_from(sorted(paths)))
        method = draw(st.sampled_from(["GET", "POST"]))
        for name in re.findall(r"\{[^}]+\}", path):
            path = path.replace(name, draw(part))
        asked = draw(query)
        return method, f"{path}?{asked}" if asked else path, draw(body) if method == "POST" else b""

    return request()


def headers() -> st.SearchStrategy[dict[str, str]]:
    """Headers that replace what a client would send; mostly none."""
    one = st.sampled_from([(name, value) for name, values in HEADERS.items() for value in values])
    return st.one_of(*[st.just({})] * 19, st.lists(one, max_size=2).map(dict))


#: What a cell may be that a table should not have.
CELLS = (
    "",
    '"',
    '""',
    '"a""b"',
    '"a\\"b"',
    "\\",
    "\r",
    "\x00",
    "a,b",
    "1e400",
    "nan",
    "1.5",
    " 1",
    "-1",
    "é",
    "｜",
)


def csv_file() -> st.SearchStrategy[bytes]:
    """CSV files with a usable header, and bytes of any kind."""
    cell = st.one_of(
        st.sampled_from(CELLS), st.text(max_size=6), st.just("user-1"), st.integers(-5, 2**40).map(str)
    )
    line = st.lists(cell, min_size=2, max_size=5).map(",".join)
    end = st.sampled_from(["\n", "\r\n", "\r", ""])
    rows = st.lists(st.tuples(line, end), max_size=20).map(lambda found: "".join(a + b for a, b in found))
    head = st.sampled_from(
        [
            "USER_ID,ITEM_ID,TIMESTAMP,SCORE\n",
            "\ufeffuser_id,item_id,timestamp,score\r\n",
            "USER_ID,ITEM_ID\n",
            "",
        ]
    )
    text = st.tuples(head, rows).map(lambda both: (both[0] + both[1]).encode("utf-8", "surrogatepass"))
    torn = st.tuples(text, st.binary(max_size=8), st.integers(0, 500)).map(
        lambda one: one[0][: one[2]] + one[1] + one[0][one[2] :]
    )
    return st.one_of(text, torn, st.binary(max_size=300))


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """A file with some of its bytes changed, its end cut off, or bytes put in."""
    change = st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255))

    def changed(changes: list[tuple[int, int]]) -> bytes:
        found = bytearray(whole)
        for at, byte in changes:
            found[at] = byte
        return bytes(found)

    return st.one_of(
        st.lists(change, min_size=1, max_size=6).map(changed),
        st.integers(0, len(whole)).map(lambda at: whole[:at]),
        st.integers(0, len(whole)).map(lambda at: whole[at:]),
        st.tuples(st.integers(0, len(whole)), st.binary(min_size=1, max_size=40)).map(
            lambda one: whole[: one[0]] + one[1] + whole[one[0] :]
        ),
    )
