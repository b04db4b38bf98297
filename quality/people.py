"""Who comes to a simulated shop, and what they take: what follows what they have, or what they like of an interest.

People have a few interests, a taste, a brand of their own and a purse. All take their next step at once.
"""

from typing import Final, NamedTuple

import numpy as np

from quality.offers import Catalogue, Float64, Urn
from quality.shops import Shop
from sartor.models.base import Bool, Float32, Int32, Int64

#: Items that a person looks at before one is taken.
_LOOKED_AT: Final = 8
_NEVER: Final = np.float32(-1e4)


class People(NamedTuple):
    """Who comes to a shop; everything by user.

    Attributes:
        interests: int32[users, interests], leaves, the first ones more often.
        taste: float32[users, tastes].
        brand: int32[users], the own one.
        purse: float32[users], the price that is looked for.
        length: int64[users], steps.
        begun: float32[users], the day of the first.
        pace: float32[users], days from one to the next.
    """

    interests: Int32
    taste: Float32
    brand: Int32
    purse: Float32
    length: Int64
    begun: Float32
    pace: Float32


def invited(shop: Shop, catalogue: Catalogue, rng: np.random.Generator) -> People:
    """Return the people of a shop."""
    n = shop.users
    # each interest is the leaf of an item that somebody would want
    anywhere = Urn(np.zeros(shop.items, np.int32), catalogue.weight, 1)
    inside = Urn(catalogue.department, catalogue.weight, shop.tree[0])
    first = anywhere.draw(rng, np.zeros(n, np.int32), 1)
    near = inside.draw(rng, catalogue.department[first[:, 0]], shop.interests)
    wide = anywhere.draw(rng, np.zeros(n, np.int32), shop.interests)
    liked = np.where(rng.random(near.shape) < shop.near, near, wide)
    liked[:, 0] = first[:, 0]
    taste = 0.7 * catalogue.taste[first[:, 0]] + rng.normal(0, 0.8, (n, shop.tastes))
    beyond = shop.mean - shop.least_user
    length = shop.least_user + rng.lognormal(np.log(beyond) - shop.spread**2 / 2, shop.spread, n)
    length = np.minimum(np.floor(length + rng.random(n)), 300)
    begun = shop.days * rng.beta(2.0, 1.3, n)
    return People(
        interests=catalogue.leaf[liked],
        taste=taste.astype(np.float32),
        brand=catalogue.brand[first[:, 0]],
        purse=(0.7 * catalogue.price[first[:, 0]] + rng.normal(0, 0.5, n)).astype(np.float32),
        length=length.astype(np.int64),
        begun=begun.astype(np.float32),
        pace=((shop.days - begun) * rng.uniform(0.05, 0.9, n) / length).astype(np.float32),
    )


def walked(shop: Shop, catalogue: Catalogue, rng: np.random.Generator) -> tuple[Int64, Int32, Float64]:
    """Return int64[steps] users, int32[steps] items and float64[steps] days; of one user in the order of steps."""
    people = invited(shop, catalogue, rng)
    walk = _Walk(shop, catalogue, people, rng)
    most = int(people.length.max())
    had = np.full((shop.users, most), -1, np.int32)
    interest = np.zeros(shop.users, np.int64)
    day = people.begun.astype(np.float64)
    found: list[tuple[Int64, Int32, Float64]] = []
    for step in range(most):
        who = np.flatnonzero(people.length > step)
        # half of what people get they get on one day
        day[who] += rng.exponential(2 * people.pace[who]) * (rng.random(len(who)) < 0.5) * (step > 0)
        changes = rng.random(len(who)) >= shop.faithful
        interest[who[changes]] = rng.geometric(0.45, int(changes.sum())).clip(1, shop.interests) - 1
        looked = walk.looked_at(who, had[who, :step], interest[who])
        chosen, possible = walk.chosen(who, had[who, :step], looked, day[who])
        had[who[possible], step] = chosen[possible]
        found.append((who[possible], chosen[possible], day[who[possible]]))
    users, items, days = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = days < shop.days
    return users[kept], items[kept], days[kept]


class _Walk:
    """How people choose.

    Args:
        shop: what the shop is like.
        catalogue: what it offers.
        people: who is there.
        rng: draws.
    """

    def __init__(self, shop: Shop, catalogue: Catalogue, people: People, rng: np.random.Generator) -> None:
        self._shop, self._catalogue, self._people, self._rng = shop, catalogue, people, rng
        self._leaves = Urn(catalogue.leaf, catalogue.weight, shop.tree[2])
        self._brands = Urn(catalogue.brand, catalogue.weight, shop.brands)
        self._anywhere = Urn(np.zeros(shop.items, np.int32), catalogue.weight, 1)

    def looked_at(self, who: Int64, had: Int32, interest: Int64) -> Int32:
        """Return int32[who, some]: the items that each one chooses from.

        Args:
            who: int64[who], users.
            had: int32[who, steps], what they took, -1 where they took nothing.
            interest: int64[who], which one they have in mind.
        """
        shop, rng = self._shop, self._rng
        looked = self._leaves.draw(rng, self._people.interests[who, interest], _LOOKED_AT)
        edges = np.cumsum([shop.revisit, shop.follow, shop.favourite, shop.popular])
        way = np.searchsorted(edges, rng.random(len(who)), "right")
        step = had.shape[1]
        ago = rng.geometric(0.6, len(who)).clip(1, max(step, 1))
        before = had[np.arange(len(who)), step - ago] if step else np.full(len(who), -1, np.int32)
        again, follows = (way == 0) & (before >= 0), np.flatnonzero((way == 1) & (before >= 0))
        looked[again] = before[again, None]
        chances = (np.arange(shop.successors) + 1.0) ** -shop.steep
        slots = rng.choice(shop.successors, (len(follows), 2), p=chances / chances.sum())
        next_ones = np.take_along_axis(self._catalogue.successors[before[follows]], slots, 1)
        looked[follows] = next_ones[:, :1]
        looked[follows, 0] = next_ones[:, 1]
        looked[way == 2] = self._brands.draw(rng, self._people.brand[who[way == 2]], _LOOKED_AT)
        looked[way == 3] = self._anywhere.draw(rng, np.zeros(int((way == 3).sum()), np.int32), _LOOKED_AT)
        return looked

    def chosen(self, who: Int64, had: Int32, looked: Int32, day: Float64) -> tuple[Int32, Bool]:
        """Return int32[who], what each takes, and bool[who], whether it is on offer and, but for revisits, new to him.

        Args:
            who: int64[who], users.
            had: int32[who, steps], what they took.
            looked: int32[who, some], what they choose from.
            day: float64[who], when.
        """
        shop, catalogue, people = self._shop, self._catalogue, self._people
        worth = np.einsum("ud,ucd->uc", people.taste[who], catalogue.taste[looked])
        worth *= np.float32(shop.pickiness)
        worth += np.float32(shop.loyalty) * (catalogue.brand[looked] == people.brand[who, None])
        worth -= np.float32(shop.thrift) * np.abs(catalogue.price[looked] - people.purse[who, None])
        age = day[:, None].astype(np.float32) - catalogue.launched[looked]
        worth -= np.float32(np.log(2) / shop.half_life_days) * age
        worth += self._rng.gumbel(size=worth.shape)
        worth[age < 0] = _NEVER
        if not shop.revisit:
            for one in had.T:  # long histories are few people's
                worth[looked == one[:, None]] = _NEVER
        best = worth.argmax(axis=1)
        rows = np.arange(len(who))
        return looked[rows, best], worth[rows, best] > _NEVER / 2
