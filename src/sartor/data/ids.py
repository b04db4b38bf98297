"""Names as numbers: the ids of a catalogue's items, or of its users, in plain arrays that processes share.

A name is found by the hash of its bytes in a sorted array, so that millions of them cost no dictionary.
"""

from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


class Ids:
    """Names by number and numbers by name; made by ``Ids.of``.

    Args:
        text: uint8[bytes], the names' UTF-8 bytes, one after the other.
        offsets: int64[n + 1], where each begins.
        hashes: uint64[n], sorted.
        order: int64[n], the number of the name of each hash.

    Attributes:
        ARRAYS: the names of what ``arrays`` gives.
    """

    ARRAYS: ClassVar = ("text", "offsets", "hashes", "order")

    def __init__(
        self,
        text: NDArray[np.uint8],
        offsets: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        order: NDArray[np.int64],
    ) -> None:
        self._text, self._offsets, self._hashes, self._order = text, offsets, hashes, order

    @classmethod
    def of(cls, names: Iterable[str]) -> "Ids":
        """Return the ids with these names, in this order; no two are equal."""
        text, lengths, hashes = bytearray(), array("q"), array("Q")  # nothing of Python's own for each name
        for name in names:
            encoded = name.encode()
            text += encoded
            lengths.append(len(encoded))
            hashes.append(_hash(encoded))
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(np.frombuffer(lengths, np.int64), out=offsets[1:])
        return cls(np.frombuffer(text, np.uint8), offsets, *_sorted(np.frombuffer(hashes, np.uint64)))

    def followed_by(self, names: Iterable[str]) -> "Ids":
        """Return these ids and, with the numbers after theirs, some more; no two names are equal."""
        more = Ids.of(names)
        return Ids(
            np.concatenate([self._text, more._text]),
            np.concatenate([self._offsets, more._offsets[1:] + self._offsets[-1]]),
            *_sorted(np.concatenate([self._by_number(), more._by_number()])),
        )

    def _by_number(self) -> NDArray[np.uint64]:
        """Return uint64[n]: the hash of each name."""
        found = np.empty_like(self._hashes)
        found[self._order] = self._hashes
        return found

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]]) -> "Ids":
        """Return the ids of these ``arrays``."""
        return cls(arrays["text"], arrays["offsets"], arrays["hashes"], arrays["order"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is saved."""
        return {"text": self._text, "offsets": self._offsets, "hashes": self._hashes, "order": self._order}

    def where(self, kept: NDArray[np.bool_]) -> "Ids":
        """Return the ids of which bool[n] is true; those that stay keep their order, with numbers without gaps."""
        lengths = np.diff(self._offsets)
        offsets = np.zeros(int(kept.sum()) + 1, np.int64)
        np.cumsum(lengths[kept], out=offsets[1:])
        numbers, stays = np.cumsum(kept) - 1, kept[self._order]
        text = self._text[np.repeat(kept, lengths)]
        return Ids(text, offsets, self._hashes[stays], numbers[self._order[stays]])

    def __len__(self) -> int:
        return len(self._order)

    def name(self, number: int) -> str:
        """Return the name with a number."""
        begin, end = self._offsets[number], self._offsets[number + 1]
        return self._text[begin:end].tobytes().decode()

    def names_of(self, numbers: NDArray[np.integer[Any]]) -> list[str]:
        """Return the names with some numbers, in their order."""
        text = self._text.data
        begins, ends = self._offsets[numbers].tolist(), self._offsets[numbers + 1].tolist()
        return [str(text[begin:end], "utf-8") for begin, end in zip(begins, ends, strict=True)]

    def names(self) -> list[str]:
        """Return every name, by number."""
        text, bounds = self._text.tobytes(), self._offsets.tolist()
        return [text[begin:end].decode() for begin, end in pairwise(bounds)]

    def find(self, name: str) -> int | None:
        """Return the number of a name, ``None`` if it is not one of these."""
        wanted = name.encode()
        code = np.uint64(_hash(wanted))
        at = int(self._hashes.searchsorted(code))
        while at < len(self._hashes) and self._hashes[at] == code:
            number = int(self._order[at])
            if self._text[self._offsets[number] : self._offsets[number + 1]].tobytes() == wanted:
                return number
            at += 1
        return None

    def find_all(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return int64[len(names)]: the number of each name, -1 if it is not one of these."""
        return self.find_codes(codes_of(names))

    def find_codes(self, codes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return int64[codes]: the number of the name with each code, -1 if there is none."""
        if not len(self):
            return np.full(len(codes), -1, np.int64)
        at = np.minimum(self._hashes.searchsorted(codes), len(self) - 1)
        found: NDArray[np.int64] = np.where(self._hashes[at] == codes, self._order[at], -1)
        return found


def codes_of(names: Sequence[str]) -> NDArray[np.uint64]:
    """Return uint64[names]: what stands for each name; two names with one code are as good as impossible."""
    digests = b"".join([blake2b(name.encode(), digest_size=8).digest() for name in names])
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def code_of(name: str) -> int:
    """Return what stands for a name, as ``codes_of`` does."""
    return _hash(name.encode())


def _sorted(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the hashes in their order, and which name each is of."""
    order = np.argsort(hashes, kind="stable").astype(np.int64, copy=False)
    return hashes[order], order


def _hash(name: bytes) -> int:
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "little")
