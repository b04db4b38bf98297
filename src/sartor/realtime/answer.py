"""An answer as it is sent: bytes, which are kept for who asks the same again; only its id is another each time."""

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import orjson

from sartor.realtime.attention import IMPRESSIONS
from sartor.realtime.catalogue import JsonNames

#: The model answered; popularity did, as the model knows too little of who asks; or nothing was left to answer with.
How = Literal["model", "popular", "empty"]

#: What one takes beside its bytes, about: the object, and the names of the items that it shows.
_OVERHEAD_BYTES: Final = 2_500
_ITEM: Final = b'{"itemId":%b,"score":%b}'


class Answer(NamedTuple):
    """An answer but for its id.

    Attributes:
        head: its JSON up to the id.
        shown: the ids of its first items, which count as shown if an event names the answer.
        how: how it came about.
    """

    head: bytes
    shown: tuple[str, ...]
    how: How

    @classmethod
    def of(cls, member: str, items: Sequence[dict[str, Any]], how: How) -> "Answer":
        """Return the answer whose items are a member of it, as the service writes them."""
        head = b'%b,"recommendationId":"' % orjson.dumps({member: items})[:-1]
        return cls(head, tuple([one["itemId"] for one in items[:IMPRESSIONS]]), how)

    @classmethod
    def of_best(cls, names: JsonNames, scores: Sequence[float], shown: tuple[str, ...], how: How) -> "Answer":
        """Return the answer to GetRecommendations of items that have nothing but scores.

        Args:
            names: of the items, best first.
            scores: of each.
            shown: as the answer has them.
            how: as the answer has it.
        """
        written = orjson.dumps(scores)[1:-1].split(b",")
        items = b",".join([_ITEM % pair for pair in zip(names.tolist(), written, strict=True)])
        return cls(b'{"itemList":[%b],"recommendationId":"' % items, shown, how)

    @property
    def nbytes(self) -> int:
        """How much memory it takes, about."""
        return len(self.head) + _OVERHEAD_BYTES

    def body(self, recommendation_id: str) -> bytes:
        """Return the whole answer with an id."""
        return b'%b%b"}' % (self.head, recommendation_id.encode())
