"""The column names of a Parquet file, from the beginning of its footer.

The footer begins with the schema, and nothing behind that is read: whatever a footer claims to be, a few bytes are
enough. It is Thrift's compact protocol, of which this knows what the schema needs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

MAGIC: Final = b"PAR1"
#: How much of a footer is read; the schema of a thousand columns takes a tenth of it.
HEAD_BYTES: Final = 2**20
_TAIL_BYTES: Final = 8
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_SCHEMA_FIELD, _NAME_FIELD, _CHILDREN_FIELD = 2, 4, 5
#: How deep structures may lie in each other; a footer has five.
_DEEPEST: Final = 32


def read_from(path: Path) -> Callable[[int, int], bytes]:
    """Return what reads bytes of a local file, by start and length."""

    def read(start: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    return read


def footer_bytes(size_bytes: int, read: Callable[[int, int], bytes]) -> int:
    """Return how long the footer of a file says it is.

    Args:
        size_bytes: the file's size.
        read: returns bytes of it, by start and length.

    Raises:
        ValueError: it is no Parquet file.
    """
    tail = read(max(0, size_bytes - _TAIL_BYTES), min(size_bytes, _TAIL_BYTES))
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length + _TAIL_BYTES + len(MAGIC) > size_bytes:
        raise ValueError("it is not a Parquet file")
    return length


def footer(size_bytes: int, read: Callable[[int, int], bytes]) -> tuple[int, int]:
    """Return where the footer of a file is: its first byte, and the one behind its last; raises as ``footer_bytes``."""
    return size_bytes - _TAIL_BYTES - footer_bytes(size_bytes, read), size_bytes


def column_names(size_bytes: int, read: Callable[[int, int], bytes]) -> list[str]:
    """Return the names of a file's columns; of a nested column the outermost.

    Args:
        size_bytes: the file's size.
        read: returns bytes of it, by start and length.

    Raises:
        ValueError: it is no Parquet file, or its footer is damaged.
    """
    length = footer_bytes(size_bytes, read)
    head = read(size_bytes - _TAIL_BYTES - length, min(length, HEAD_BYTES))
    try:
        elements = _Compact(head).schema()
        return _outermost(elements)
    except (IndexError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError("its footer is damaged") from error


def _outermost(elements: list[tuple[str, int]]) -> list[str]:
    """Return the names of the root's children, out of a tree in depth-first order."""
    names, at = [], 1
    for _ in range(elements[0][1]):
        names.append(elements[at][0])
        waiting = 1
        while waiting:
            waiting += elements[at][1] - 1
            at += 1
    return names


class _Compact:
    """Reads Thrift's compact protocol; raises ``IndexError`` where it ends too early."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def schema(self) -> list[tuple[str, int]]:
        """Return name and number of children of each element of the schema."""
        number = 0
        while True:
            number, kind = self._field(number)
            if kind == _STOP:
                raise IndexError("there is no schema")
            if number == _SCHEMA_FIELD and kind == _LIST:
                count, _ = self._list()
                return [self._element() for _ in range(count)]
            self._skip(kind, 0)

    def _element(self) -> tuple[str, int]:
        name, children, number = "", 0, 0
        while True:
            number, kind = self._field(number)
            if kind == _STOP:
                return name, children
            if number == _NAME_FIELD and kind == _BINARY:
                name = self._bytes().decode()
            elif number == _CHILDREN_FIELD and kind == _I32:
                children = self._zigzag()
                if children < 0:
                    raise IndexError("less than no children")
            else:
                self._skip(kind, 0)

    def _field(self, before: int) -> tuple[int, int]:
        head = self._byte()
        if head == _STOP:
            return 0, _STOP
        return (before + (head >> 4) if head >> 4 else self._zigzag()), head & 15

    def _list(self) -> tuple[int, int]:
        head = self._byte()
        count = head >> 4
        return (self._varint() if count == 15 else count), head & 15

    def _skip(self, kind: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise IndexError("it is too deep")
        if kind == _BYTE:
            self._byte()
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _DOUBLE:
            self._take(8)
        elif kind == _BINARY:
            self._bytes()
        elif kind in (_LIST, _SET):
            count, of = self._list()
            for _ in range(count):
                self._skip(_BYTE if of in (_TRUE, _FALSE) else of, depth + 1)
        elif kind == _STRUCT:
            while (inner := self._field(0)[1]) != _STOP:
                self._skip(inner, depth + 1)
        elif kind not in (_TRUE, _FALSE):
            raise IndexError("a type that no footer has")

    def _bytes(self) -> bytes:
        return self._take(self._varint())

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise IndexError("a number that is too long")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _take(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._content):
            raise IndexError("it ends too early")
        return self._content[self._at - count : self._at]
