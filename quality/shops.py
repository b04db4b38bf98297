"""Shops to simulate: what each is like. ``quality.offers`` makes what they offer, ``quality.people`` who comes.

Their levels follow what real data of their kind show for popularity and for what follows what (the project's notes on
accuracy); no model of ours was looked at. What is shared by all is planted: long tails, interests, brands, series.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Shop:
    """What a shop is like; the share of steps that no other way takes is an interest's.

    Attributes:
        seed: equal seeds and settings give equal shops.
        users: who come, before those with few interactions are dropped.
        items: what is offered, before the same.
        tree: how many departments, categories and leaves there are.
        brands: how many there are.
        mean: interactions of a user.
        spread: of the logarithm of what a user has beyond the least.
        least_user: interactions that a user has at least.
        least_item: the same of an item.
        tail: spread of the logarithm of items' weights.
        tastes: numbers of a taste.
        pickiness: how much taste decides among what a person looks at.
        loyalty: how much the brand does.
        thrift: how much the price does.
        revisit: share of steps that go to something that was had.
        follow: share that goes to what follows something had lately.
        favourite: share that goes to anything of the own brand.
        popular: share that goes anywhere.
        interests: leaves that a person is interested in.
        faithful: chance that the next step stays with an interest.
        near: chance that an interest lies in the department of the first one.
        successors: how many an item has; the first is taken most often.
        steep: how much more often the first.
        half_life_days: after which an item is half as wanted.
        days: how long the shop has been there.
        late: share of the items that are first offered in the last seventh of the time, and wanted the more.
        words: of a title that say nothing.
        telling: the chance that a title says a trait of its item.
        vocabulary: how many words that say nothing there are.
    """

    seed: int
    users: int = 26_000
    items: int = 27_000
    tree: tuple[int, int, int] = (8, 40, 120)
    brands: int = 1_500
    mean: float = 9.0
    spread: float = 1.2
    least_user: int = 5
    least_item: int = 5
    tail: float = 1.25
    tastes: int = 12
    pickiness: float = 0.5
    loyalty: float = 1.0
    thrift: float = 0.3
    revisit: float = 0.0
    follow: float = 0.145
    favourite: float = 0.04
    popular: float = 0.15
    interests: int = 6
    faithful: float = 0.4
    near: float = 0.6
    successors: int = 8
    steep: float = 3.0
    half_life_days: float = 500.0
    days: int = 1_500
    late: float = 0.1
    words: int = 4
    telling: float = 0.6
    vocabulary: int = 3_000


#: Shops by name: three sparse ones, games, places that are visited in any order, music, and visits of a web shop.
SHOPS: Final[Mapping[str, Shop]] = {
    "care": Shop(seed=1, users=28_500, items=30_000, tail=1.2, follow=0.165),
    "toys": Shop(
        seed=2, users=28_500, items=38_000, tree=(12, 60, 150), brands=900, tastes=16, loyalty=0.5, follow=0.195,
        popular=0.2,
    ),
    "sports": Shop(
        seed=3, users=42_500, items=44_000, tree=(6, 50, 140), brands=3_000, thrift=0.6, follow=0.115, popular=0.3
    ),
    "games": Shop(
        seed=4, users=38_000, items=68_000, tree=(5, 25, 80), mean=12.0, tail=1.6, follow=0.16, popular=0.2,
        half_life_days=300.0,
    ),
    "places": Shop(
        seed=5, users=32_000, items=40_000, tree=(30, 60, 120), brands=2_000, mean=11.0, tail=1.1, tastes=8,
        revisit=0.003, follow=0.0, favourite=0.02, popular=0.35, interests=10, faithful=0.0, near=0.9,
        half_life_days=5_000.0, late=0.02,
    ),
    "music": Shop(
        seed=6, users=1_100, items=11_000, tree=(4, 16, 40), brands=600, mean=55.0, spread=0.5, least_user=10,
        least_item=4, tail=1.7, tastes=10, pickiness=0.7, follow=0.015, favourite=0.02, popular=0.2,
        half_life_days=4_000.0, words=8, telling=0.95,
    ),
    "visits": Shop(
        seed=7, users=30_000, items=4_000, tree=(6, 40, 160), brands=200, mean=4.5, spread=0.9, least_user=2,
        revisit=0.05, follow=0.36, favourite=0.03, popular=0.05, interests=2, faithful=0.9, successors=12, steep=1.2,
        half_life_days=60.0, days=60,
    ),
}  # fmt: skip
