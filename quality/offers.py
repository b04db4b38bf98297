"""What a simulated shop offers: items in a tree of categories, of brands, in series, and what follows what.

Their weights have a long tail, and they come and go. What is known of an item are its categories, brand and price, and
words, some of which say what it is like.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quality.shops import Shop
from sartor.models.base import Features, Float32, Int32, Int64

Float64 = NDArray[np.float64]

_NEVER: Final = np.float32(-1e4)
#: How much more a late item is wanted while it is new: it has to be, to be met as often as others in its short time.
_NOVELTY: Final = 6.0
#: Synonyms of a word: texts say the same in different words.
_SYNONYMS: Final = 6


class Catalogue(NamedTuple):
    """What is offered; everything by item.

    Attributes:
        leaf: int32[items], of the tree of categories.
        category: int32[items], which the leaf is in.
        department: int32[items], which the category is in.
        brand: int32[items].
        series: int32[items], items of one leaf and brand that belong together.
        price: float32[items], its logarithm, with deviation 1.
        taste: float32[items, tastes].
        weight: float64[items], how much it is wanted by everybody.
        launched: float32[items], the day of its first offer.
        successors: int32[items, successors], what follows it, most often the first.
    """

    leaf: Int32
    category: Int32
    department: Int32
    brand: Int32
    series: Int32
    price: Float32
    taste: Float32
    weight: Float64
    launched: Float32
    successors: Int32


class Urn:
    """Weighted draws of items from groups, such as all items of a leaf; a group without items gives its neighbour's.

    Args:
        group: int32[items].
        weight: float64[items].
        n: how many groups there are.
    """

    def __init__(self, group: Int32, weight: Float64, n: int) -> None:
        order = np.argsort(group, kind="stable")
        self._items = order.astype(np.int32)
        self._sums = np.cumsum(weight[order])
        edges = np.searchsorted(group[order], np.arange(n + 1))
        self._edges = np.concatenate([[0.0], self._sums])[edges]

    def draw(self, rng: np.random.Generator, group: Int32, n: int) -> Int32:
        """Return int32[groups, n] items, ``n`` of each group asked for, with returning."""
        low, high = self._edges[group], self._edges[group + 1]
        at = low[:, None] + rng.random((len(group), n)) * (high - low)[:, None]
        places = np.minimum(np.searchsorted(self._sums, at, "right"), len(self._items) - 1)
        return np.asarray(self._items[places], np.int32)


def offered(shop: Shop, rng: np.random.Generator) -> Catalogue:
    """Return what a shop offers."""
    departments, categories, leaves = shop.tree
    up = _parents(rng, categories, departments), _parents(rng, leaves, categories)
    leaf = _parents(rng, shop.items, leaves)
    category, department = up[1][leaf], up[0][up[1][leaf]]
    # a brand is at home in one department, large ones in many leaves of it
    home = _parents(rng, shop.brands, departments)
    brand = Urn(home, rng.pareto(1.2, shop.brands) + 0.2, departments).draw(rng, department, 1)[:, 0]
    of_brand = leaf.astype(np.int64) * shop.brands + brand
    part = rng.integers(0, 1 + _sizes(of_brand) // 4)  # series of four or so
    series = np.unique(of_brand * (shop.items + 1) + part, return_inverse=True)[1]
    parts = (
        rng.normal(0, 0.6, (categories, shop.tastes))[category],
        rng.normal(0, 0.5, (shop.brands, shop.tastes))[brand],
        rng.normal(0, 0.4, (int(series.max()) + 1, shop.tastes))[series],
        rng.normal(0, 0.5, (shop.items, shop.tastes)),
    )
    price = 0.7 * rng.normal(size=leaves)[leaf] + 0.5 * rng.normal(size=shop.brands)[brand]
    price += 0.5 * rng.normal(size=shop.items)
    launched = shop.days * (rng.random(shop.items) * 1.1 - 0.2).clip(0, 1)
    new = rng.random(shop.items) < shop.late
    launched[new] = shop.days * (0.85 + 0.12 * rng.random(int(new.sum())))
    weight = np.exp(rng.normal(0, shop.tail, shop.items))
    weight[new] *= _NOVELTY
    found = Catalogue(
        leaf=leaf,
        category=category,
        department=department,
        brand=brand,
        series=series.astype(np.int32),
        price=price.astype(np.float32),
        taste=np.sum(parts, axis=0).astype(np.float32),
        weight=weight,
        launched=launched.astype(np.float32),
        successors=np.zeros((0, 0), np.int32),
    )
    return found._replace(successors=_successors(shop, found, up[1], rng))


def _parents(rng: np.random.Generator, children: int, parents: int) -> Int32:
    """Return int32[children]: the parent of each; some have many more than others, none has none."""
    share = rng.dirichlet(np.full(parents, 2.0))
    found = rng.choice(parents, children, p=share).astype(np.int32)
    found[:parents] = np.arange(min(parents, children))
    return found


def _sizes(groups: Int64) -> Int64:
    """Return int64[all]: how many are in the group of each."""
    _, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return counts[numbers].astype(np.int64)


def _successors(shop: Shop, found: Catalogue, category_of: Int32, rng: np.random.Generator) -> Int32:
    """Return int32[items, successors]: of a series, of leaves that complete the own one, and of the own one.

    Among those that are drawn, the same series, the same brand, a like taste and weight are what counts.
    """
    leaves = len(category_of)
    complements = np.where(
        rng.random((leaves, 2)) < 0.7,  # mostly a leaf of the same category
        Urn(category_of, np.ones(leaves), int(category_of.max()) + 1).draw(rng, category_of, 2),
        rng.integers(0, leaves, (leaves, 2)),
    ).astype(np.int32)
    by_leaf = Urn(found.leaf, found.weight, leaves)
    by_series = Urn(found.series, found.weight, int(found.series.max()) + 1)
    drawn = np.hstack(
        [
            by_series.draw(rng, found.series, 6),
            by_leaf.draw(rng, complements[found.leaf, 0], 24),
            by_leaf.draw(rng, complements[found.leaf, 1], 12),
            by_leaf.draw(rng, found.leaf, 12),
        ]
    )
    worth = np.einsum("id,icd->ic", found.taste, found.taste[drawn]) / shop.tastes
    worth += 1.5 * (found.brand[drawn] == found.brand[:, None])
    worth += 1.0 * (found.series[drawn] == found.series[:, None])
    worth += rng.gumbel(0, 0.7, worth.shape)
    worth[drawn == np.arange(shop.items)[:, None]] = _NEVER
    # what is drawn twice counts once
    order = np.argsort(drawn, axis=1, kind="stable")
    ranked = np.take_along_axis(drawn, order, 1)
    again = np.zeros(ranked.shape, np.bool_)
    again[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    worth = np.where(again, _NEVER, np.take_along_axis(worth, order, 1))
    best = np.argsort(-worth, axis=1, kind="stable")[:, : shop.successors]
    return np.take_along_axis(ranked, best, 1).astype(np.int32)


def described(
    shop: Shop, catalogue: Catalogue, names: NDArray[Any], rng: np.random.Generator
) -> tuple[Features, list[str]]:
    """Return what is known of some items, and the kind of each token.

    Words name the leaf, the category, the series and strong traits of the taste, each only perhaps and in one of
    several ways; the others are noise.
    """
    n = len(names)
    taste = catalogue.taste[names]
    strongest = np.argsort(-np.abs(taste), axis=1)[:, :3]
    traits = 2 * strongest + (np.take_along_axis(taste, strongest, 1) > 0)
    edges = np.quantile(catalogue.price, np.linspace(0, 1, 11)[1:-1])
    noise = (shop.vocabulary * rng.random((n, shop.words)) ** 3).astype(np.int64)
    columns: list[tuple[str, NDArray[Any], float, int]] = [
        ("department", catalogue.department[names][:, None], 1.0, 1),
        ("category", catalogue.category[names][:, None], 1.0, 1),
        ("leaf", catalogue.leaf[names][:, None], 0.95, 1),
        ("brand", catalogue.brand[names][:, None], 0.9, 1),
        ("price", np.searchsorted(edges, catalogue.price[names])[:, None], 0.95, 1),
        ("word", catalogue.leaf[names][:, None].repeat(2, 1), shop.telling, _SYNONYMS),
        ("word", catalogue.series[names][:, None], shop.telling, 1),
        ("word", traits, shop.telling, _SYNONYMS),
        ("word", noise, 1.0, 1),
    ]
    owners: list[Int64] = []
    numbers: list[Int64] = []
    kinds: list[str] = []
    for kind, values, chance, ways in columns:
        said = rng.random(values.shape) < chance
        owner = np.broadcast_to(np.arange(n)[:, None], values.shape)[said]
        different = values[said].astype(np.int64) * ways + rng.integers(0, ways, len(owner))
        tokens, number = np.unique(different, return_inverse=True)
        owners.append(owner)
        numbers.append(number + len(kinds))
        kinds += [kind] * len(tokens)
    codes = np.unique(np.concatenate(owners) * len(kinds) + np.concatenate(numbers))
    offsets = np.searchsorted(codes // len(kinds), np.arange(n + 1)).astype(np.int64)
    return Features((codes % len(kinds)).astype(np.int32), offsets, len(kinds)), kinds
