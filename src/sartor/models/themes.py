"""What some items have in common, said in words of their own texts: no service is asked and nothing is learned.

A word, or two that stand together, says the more of some items the more of them have it, against how many of all items
have it. The best of these make the theme; an item fits it as far as it has them.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

#: How many words, or pairs of words, a theme names, and how many say whether an item fits.
_NAMED: Final = 3
_COMPARED: Final = 12
#: A word of a theme is in so many of the items at least.
_LEAST_ITEMS: Final = 2
#: Two words that stand together say more than each of them.
_PAIR: Final = 1.5
_MOST_CHARACTERS: Final = 4_000
_NOTHING_IN_COMMON: Final = "Similar items"
_WORD: Final = re.compile(r"[^\W\d_][\w'’-]+")
#: English words that say nothing of what they stand beside.
_LITTLE_WORDS: Final = (
    "a about after all also an and any are as at be because been before being between both but by can could did "
    "do does each even for from get had has have he her here him his how if in into is it its itself just like "
    "make many may me more most much must my no nor not now of off on once one only or other our out over own "
    "same she should so some such than that the their them then there these they this those through to too under "
    "until up upon us very was we were what when where which while who whom why will with would you your"
)
_EMPTY: Final = frozenset(_LITTLE_WORDS.split())


def terms_of(text: str) -> set[str]:
    """Return the words of a text that say something, and the pairs of them that stand together."""
    words = [word.casefold() for word in _WORD.findall(text[:_MOST_CHARACTERS])]
    telling = ["" if word in _EMPTY else word for word in words]
    return {word for word in telling if word} | {
        f"{one} {two}" for one, two in pairwise(telling) if one and two
    }


class Themes:
    """The themes of answers from one catalogue.

    Args:
        texts: of all items, or of many drawn at random.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._items = 0
        self._with: Counter[str] = Counter()
        for text in texts:
            self._items += 1
            self._with.update(terms_of(text))

    def of(self, texts: Sequence[str]) -> tuple[str, list[float]]:
        """Return the theme of some items, and how well each of them fits it, from 0 to 1.

        Args:
            texts: of each item.
        """
        terms = [terms_of(text) for text in texts]
        counts = Counter(term for some in terms for term in some)
        found = {term: self._tells(term, n / len(texts)) for term, n in counts.items() if n >= _LEAST_ITEMS}
        telling = {term: weight for term, weight in found.items() if weight > 0}
        chosen = _apart(sorted(telling, key=lambda term: (-telling[term], term)))[:_COMPARED]
        if not chosen:
            return _NOTHING_IN_COMMON, [0.0] * len(texts)
        whole = _length([telling[term] for term in chosen])
        fits = [_length([telling[term] for term in chosen if term in some]) / whole for some in terms]
        return _sentence(chosen[:_NAMED]), fits

    def _tells(self, term: str, share: float) -> float:
        """Return how much a term says of items of which this share has it; of what all items have, nothing."""
        of_all = (self._with[term] + 1) / (self._items + 1)
        return share * math.log(share / of_all) * (_PAIR if " " in term else 1.0)


def _apart(terms: Sequence[str]) -> list[str]:
    """Return terms, the best first, without those of which a better one has a word already."""
    found: list[str] = []
    taken: set[str] = set()
    for term in terms:
        words = set(term.split())
        if not words & taken:
            found.append(term)
            taken |= words
    return found


def _length(weights: Sequence[float]) -> float:
    return math.sqrt(sum(weight**2 for weight in weights))


def _sentence(terms: Sequence[str]) -> str:
    """Return terms as the words of a headline."""
    *first, last = terms
    text = f"{', '.join(first)} and {last}" if first else last
    return text[0].upper() + text[1:]
