"""The data of a simulated shop: histories and metadata, without users and items that have few interactions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from quality import offers, people
from quality.shops import SHOPS, Shop
from sartor.models.base import Bool, Features, Histories, Int32, Int64

_DAY_SECONDS: Final = 86_400
_BEGUN: Final = 1_300_000_000


@dataclass(frozen=True)
class Simulated:
    """A shop's data.

    Attributes:
        n_items: how many items are left.
        histories: who interacted with what.
        features: what is known of each item.
        kinds: of each token what it is, such as ``brand``.
    """

    n_items: int
    histories: Histories
    features: Features
    kinds: Sequence[str]


def simulate(shop: Shop) -> Simulated:
    """Return a shop's data, those with few interactions dropped."""
    rng = np.random.default_rng(shop.seed)
    catalogue = offers.offered(shop, rng)
    users, items, days = people.walked(shop, catalogue, rng)
    kept = core(users, items, shop.least_user, shop.least_item)
    users, items, days = users[kept], items[kept], days[kept]
    order = np.lexsort((days, users))  # stable: steps of one day stay in their order
    users, items, days = users[order], items[order], days[order]
    names, numbers = np.unique(items, return_inverse=True)
    _, starts = np.unique(users, return_index=True)
    offsets = np.append(starts, len(users)).astype(np.int64)
    times = _BEGUN + (days * _DAY_SECONDS).astype(np.int64)
    features, kinds = offers.described(shop, catalogue, names, rng)
    return Simulated(len(names), Histories(numbers.astype(np.int32), offsets, times), features, kinds)


def core(users: Int64, items: Int32, least_user: int, least_item: int) -> Bool:
    """Return bool[interactions]: those left when all users and items with fewer are dropped, again and again."""
    kept = np.ones(len(users), np.bool_)
    while True:
        enough = np.bincount(users[kept], minlength=int(users.max()) + 1) >= least_user
        wanted = np.bincount(items[kept], minlength=int(items.max()) + 1) >= least_item
        left = kept & enough[users] & wanted[items]
        if left.sum() == kept.sum():
            return kept
        kept = left


def named(name: str, scale: float = 1.0) -> Simulated:
    """Return the data of a shop of ``SHOPS``.

    Args:
        name: of the shop.
        scale: of its users and items; less makes a small one for a quick look.
    """
    shop = SHOPS[name]
    return simulate(replace(shop, users=int(shop.users * scale), items=int(shop.items * scale)))
