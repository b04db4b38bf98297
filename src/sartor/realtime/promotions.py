"""Promotions: a share of an answer for items that the business wants to show.

Source: the guide's page "Promoting items in recommendations". Promoted items stand at random places, in the
model's order among themselves; the others keep theirs.
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sartor.realtime.picked import Picked

PROMOTED: Final = "Promoted item"


def merged(
    promotion: Mapping[str, Any], promoted: Sequence[Picked], others: Sequence[Picked], n: int
) -> list[Picked]:
    """Return an answer with its promoted items.

    Args:
        promotion: of the request.
        promoted: what its filter allows, best first.
        others: what the request's filter allows, best first.
        n: how many items are wanted.
    """
    share = promotion.get("percentPromotedItems", 100)
    chosen = list(promoted[: math.floor(n * share / 100 + 0.5)])
    rows = {one.row for one in chosen}
    rest = [one for one in others if one.row not in rows][: n - len(chosen)]
    places = set(random.sample(range(len(chosen) + len(rest)), len(chosen)))
    first, second = iter(chosen), iter(rest)
    return [
        next(first)._replace(reason=PROMOTED, promotion=promotion.get("name"))
        if at in places
        else next(second)
        for at in range(len(chosen) + len(rest))
    ]
