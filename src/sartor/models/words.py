"""Words as pieces: stems and runs of three letters, so that inflections, compounds and slips of the pen still meet.

No list of words and no language is needed. Scripts without spaces are cut into pairs of characters.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Int64

#: All runs of letters of a word count together as much as so many stems.
_RUNS_WORTH: Final = 0.5
_RUN_LETTERS: Final = 3
#: A stem has at least so many letters.
_LEAST_STEM: Final = 3
#: The longest first, so that each word loses as much as it can.
_SUFFIXES: Final = ("ations", "ation", "ingly", "ments", "ings", "edly", "ment", "ness", "ing", "ied", "ies")
_SHORT_SUFFIXES: Final = ("ed", "es", "er", "ly", "s", "e", "y")
#: Kana, ideographs and Hangul.
_WITHOUT_SPACES: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


class Pieces(NamedTuple):
    """The pieces of some words.

    Attributes:
        offsets: int64[words + 1], where those of each word begin.
        codes: uint32[all], which; equal pieces have equal codes.
        worth: float32[all], how much each counts.
    """

    offsets: Int64
    codes: NDArray[np.uint32]
    worth: Float32


def stem(word: str) -> str:
    """Return a word without its usual endings; what is left need not be a word."""
    for suffix in _SUFFIXES + _SHORT_SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _LEAST_STEM:
            word = word.removesuffix(suffix)
            break
    is_doubled = len(word) > _LEAST_STEM and word[-1] == word[-2] and word[-1] not in "aeiou0123456789"
    return word[:-1] if is_doubled else word


def pieces_of(words: Sequence[str]) -> Pieces:
    """Return the pieces of words."""
    codes: list[int] = []
    worth: list[float] = []
    ends = [0]
    for word in words:
        for piece, value in _cut(word):
            codes.append(crc32(piece.encode()))
            worth.append(value)
        ends.append(len(codes))
    return Pieces(np.array(ends, np.int64), np.array(codes, np.uint32), np.array(worth, np.float32))


def _cut(word: str) -> Iterator[tuple[str, float]]:
    """Yield the pieces of a word, and what each counts."""
    if _WITHOUT_SPACES.search(word):
        pairs = [word[at : at + 2] for at in range(len(word) - 1)] or [word]
        yield from ((pair, 1.0) for pair in pairs)
        return
    found = stem(word)
    yield found, 1.0
    marked = f"<{found}>"
    runs = [marked[at : at + _RUN_LETTERS] for at in range(len(marked) - _RUN_LETTERS + 1)]
    if len(found) > _RUN_LETTERS:
        yield from ((f"~{run}", _RUNS_WORTH / len(runs)) for run in runs)
