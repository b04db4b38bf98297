"""Simulated shops hold what is planted, and the same of it every time."""

from dataclasses import replace

import numpy as np
import pytest
from quality import offers, people, simulated
from quality.shops import SHOPS, Shop

SHOP = Shop(seed=5, users=1_500, items=1_000, tree=(3, 9, 30), brands=60)


@pytest.mark.parametrize("name", SHOPS)
def test_every_shop_is_what_its_settings_say(name: str) -> None:
    shop, found = SHOPS[name], simulated.named(name, 0.1)
    histories, counts = found.histories, np.bincount(found.histories.items, minlength=found.n_items)

    assert histories.lengths.min() >= shop.least_user
    assert counts.min() >= shop.least_item
    assert np.sort(counts)[::-1][: found.n_items // 10].sum() > 0.2 * counts.sum(), "a long tail"
    assert len(found.features.offsets) == found.n_items + 1
    assert found.features.n_tokens == len(found.kinds) > found.features.tokens.max()
    same_user = histories.users[1:] == histories.users[:-1]
    assert (np.diff(histories.times)[same_user] >= 0).all(), "oldest first"


def test_equal_seeds_give_equal_shops() -> None:
    one, again, other = (simulated.simulate(shop) for shop in (SHOP, SHOP, replace(SHOP, seed=6)))

    for found in ("items", "offsets", "times"):
        np.testing.assert_array_equal(getattr(one.histories, found), getattr(again.histories, found))
    np.testing.assert_array_equal(one.features.tokens, again.features.tokens)
    assert one.histories.items.tolist() != other.histories.items.tolist()


def walked(shop: Shop) -> tuple[offers.Catalogue, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(shop.seed)
    catalogue = offers.offered(shop, rng)
    return catalogue, *people.walked(shop, catalogue, rng)


def pairs(users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each user's items that follow each other."""
    order = np.argsort(users, kind="stable")
    together = np.diff(users[order]) == 0
    return items[order][:-1][together], items[order][1:][together]


def test_what_follows_an_item_is_bought_after_it() -> None:
    shares = []
    for follow in (0.0, 0.4):
        catalogue, users, items, _ = walked(replace(SHOP, follow=follow))
        before, after = pairs(users, items)
        shares.append((catalogue.successors[before] == after[:, None]).any(axis=1).mean())

    assert shares[1] > shares[0] + 0.1


def test_people_stay_with_their_interests() -> None:
    catalogue, users, items, _ = walked(replace(SHOP, follow=0.0))
    before, after = (catalogue.leaf[part] for part in pairs(users, items))

    by_chance = (before == np.random.default_rng(0).permutation(after)).mean()
    assert (before == after).mean() > 3 * by_chance


def test_people_come_back_to_their_brand() -> None:
    shares = []
    for favourite, loyalty in ((0.0, 0.0), (0.3, 2.0)):
        catalogue, users, items, _ = walked(replace(SHOP, favourite=favourite, loyalty=loyalty))
        before, after = pairs(users, items)
        shares.append((catalogue.brand[before] == catalogue.brand[after]).mean())

    assert shares[1] > 1.5 * shares[0]


def test_nothing_is_bought_before_it_is_offered_nor_twice() -> None:
    catalogue, users, items, days = walked(SHOP)

    assert (days >= catalogue.launched[items] - 1e-3).all()
    assert len(np.unique(users * SHOP.items + items)) == len(items)
    _, users, items, _ = walked(replace(SHOP, revisit=0.3))
    assert len(np.unique(users * SHOP.items + items)) < 0.9 * len(items), "unless people come back"


def test_some_items_are_new_at_the_end() -> None:
    catalogue, _, items, _ = walked(SHOP)

    new = catalogue.launched > 0.84 * SHOP.days
    assert 0.05 < new[items].mean() < 0.5 > new.mean()


def test_words_tell_what_items_are_like() -> None:
    rng = np.random.default_rng(0)
    catalogue = offers.offered(SHOP, rng)
    features, kinds = offers.described(SHOP, catalogue, np.arange(SHOP.items), rng)

    owners = np.repeat(np.arange(SHOP.items), np.diff(features.offsets))
    word = np.array(kinds)[features.tokens] == "word"
    order = np.argsort(features.tokens[word], kind="stable")
    owners, tokens = owners[word][order], features.tokens[word][order]
    same = tokens[1:] == tokens[:-1]

    def alike(one: np.ndarray, other: np.ndarray) -> float:
        return float((catalogue.taste[one] * catalogue.taste[other]).sum(axis=1).mean())

    sharing = alike(owners[:-1][same], owners[1:][same])
    anyhow = alike(owners, rng.permutation(owners))
    assert sharing > anyhow + 0.5


def test_a_core_leaves_nothing_more_to_drop() -> None:
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 100, 900), rng.integers(0, 80, 900).astype(np.int32)
    users[:40], items[:40] = np.arange(40) + 100, 80  # who meets one item alone

    kept = simulated.core(users, items, 5, 5)

    assert 0 < kept.sum() <= 860
    for values in (users[kept], items[kept]):
        counts = np.bincount(values)
        assert counts[counts > 0].min() >= 5
