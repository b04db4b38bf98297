"""What says something similar is related; popularity and freshness have as much of a say as they are given."""

from collections.abc import Sequence

import numpy as np
import pytest

from sartor.models import semantic
from sartor.models.base import Histories, Int32, Query, Run, Texts, TrainingData
from sartor.models.best import top
from sartor.models.semantic import SemanticModel

NOBODY = Histories(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int64))
TOPICS = {
    "running": "shoe trail running marathon lace sole sport",
    "baking": "cake chocolate oven sugar flour bake sweet",
    "music": "guitar string amplifier chord band song tune",
}


def texts_of(said: Sequence[str], created: Sequence[int] | None = None) -> Texts:
    words = sorted({word for text in said for word in text.split()})
    lists = [sorted({words.index(word) for word in text.split()}) for text in said]
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    word = np.array([number for one in lists for number in one], np.int32)
    ages = np.arange(len(said)) if created is None else np.array(created)
    return Texts(
        tuple(words),
        offsets,
        word,
        np.ones(len(word), np.float32),
        ages.astype(np.int64),
        np.ones(len(said), np.uint64),
    )


def fitted(texts: Texts, histories: Histories = NOBODY) -> SemanticModel:
    return semantic.fit(TrainingData(len(texts.offsets) - 1, histories, None, texts))


def asked(item: int | None, popularity: float = 0.0, freshness: float = 0.0) -> Query:
    return Query(np.zeros(0, np.int32), item, None, popularity, freshness)


def drawn(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return topics and texts of some of their words, each with a word of its own."""
    rng = np.random.default_rng(seed)
    topics = [list(TOPICS)[at % len(TOPICS)] for at in range(n)]
    said = [
        " ".join([*rng.choice(TOPICS[topic].split(), 4, replace=False), f"w{at}"])
        for at, topic in enumerate(topics)
    ]
    return topics, said


def interactions(items: Sequence[int]) -> Histories:
    """Return one user for each of some interactions."""
    return Histories(np.array(items, np.int32), np.arange(len(items) + 1), np.arange(len(items)))


@pytest.fixture(scope="module")
def planted() -> tuple[list[str], SemanticModel]:
    topics, said = drawn(90)
    rng = np.random.default_rng(1)
    return topics, fitted(texts_of(said, rng.permutation(90).tolist()), interactions(rng.zipf(1.5, 500) % 90))


def test_items_of_one_topic_find_each_other(planted: tuple[list[str], SemanticModel]) -> None:
    topics, model = planted
    for item, topic in enumerate(topics):
        assert {topics[other] for other in top(model.score(asked(item)), 15)} == {topic}


def test_the_scores_are_the_cosines_of_the_vectors() -> None:
    """Against dense vectors that are made by hand from the same weights."""
    model = fitted(texts_of(drawn(30)[1]))
    arrays = model.arrays()
    vectors = np.zeros((30, len(arrays["codes"])))
    for item in range(30):
        part = slice(arrays["starts"][item], arrays["starts"][item + 1])
        vectors[item, arrays["piece"][part]] = arrays["share"][part]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosine = vectors @ vectors.T
    for item in range(30):
        others = np.setdiff1d(np.arange(30), item).astype(np.int32)
        np.testing.assert_allclose(model.similarity(item, others), cosine[item, others], atol=1e-5)


def test_what_is_inflected_otherwise_is_similar() -> None:
    model = fitted(texts_of(["running shoes", "run shoe", "blue hats", "hat red"]))
    assert [int(top(model.score(asked(item)), 1)[0]) for item in range(4)] == [1, 0, 3, 2]


def test_without_an_item_popular_ones_are_the_best() -> None:
    model = fitted(texts_of(["a", "b", "c"]), interactions([2, 2, 1]))
    assert top(model.score(asked(None)), 3).tolist() == [2, 1, 0]
    assert top(model.score(asked(0)), 3).tolist() == [2, 1, 0]  # nothing is similar


@pytest.mark.parametrize("factor", ["popularity", "freshness"])
def test_an_influence_is_the_stronger_the_larger_it_is(
    planted: tuple[list[str], SemanticModel], factor: str
) -> None:
    topics, model = planted
    values = getattr(model, factor)
    for item in range(0, 90, 7):
        means = []
        for weight in (0.0, 0.25, 0.5, 1.0):
            best = top(model.score(asked(item, **{factor: weight})), 5)
            assert {topics[other] for other in best} == {topics[item]}
            means.append(float(values[best].mean()))
        assert min(np.diff(means)) > -1e-6
    everywhere = [
        np.mean([values[top(model.score(asked(item, **{factor: weight})), 5)].mean() for item in range(90)])
        for weight in (0.0, 1.0)
    ]
    assert everywhere[1] > everywhere[0] + 0.05


def test_a_shortlist_is_the_head_of_the_whole(planted: tuple[list[str], SemanticModel]) -> None:
    _, model = planted
    for query in (asked(4), asked(4, 0.7, 0.2)):
        found = model.shortlist(query, 10)
        assert found is not None
        items, scores = found
        whole = model.score(query)
        np.testing.assert_allclose(scores, whole[items], rtol=1e-5)
        assert items[:10].tolist() == top(whole, 10).tolist()
    assert model.shortlist(asked(4), 80) is None
    assert model.shortlist(asked(None), 1) is None


def test_newer_and_changed_items_are_taken_up_without_a_training() -> None:
    topics, said = drawn(60)
    model = fitted(texts_of(said), interactions([0, 0, 0, 3]))
    later = texts_of([TOPICS["music"], TOPICS["baking"]], [5, 1_000])
    grown = model.extended(61, np.array([0, 60], np.int32), later)
    music = [item for item, topic in enumerate(topics) if topic == "music"]
    assert topics[0] == "running"
    assert set(top(grown.score(asked(0)), 10).tolist()) <= set(music)  # the changed one, asked about
    assert 0 in top(grown.score(asked(music[0])), 3)  # and recommended
    assert topics[int(top(grown.score(asked(60)), 1)[0])] == "baking"
    assert 60 in top(grown.score(asked(topics.index("baking"))), 3)
    assert (grown.popularity[0], grown.popularity[60]) == (1, 0)  # as it was computed
    assert grown.freshness[60] == 1
    untouched = [item for item in range(1, 60) if topics[item] == "running"]
    np.testing.assert_array_equal(
        model.similarity(untouched[0], np.array(untouched[1:], np.int32)),
        grown.similarity(untouched[0], np.array(untouched[1:], np.int32)),
    )


def test_its_metrics_are_means_of_what_it_recommends_for_each_item(
    planted: tuple[list[str], SemanticModel],
) -> None:
    _, model = planted
    found = semantic.evaluate(model, Run())
    expected = []
    for item in range(90):
        ranking: Int32 = top(model.score(asked(item)), 25)
        said = model.similarity(item, ranking)
        expected.append([model.popularity[ranking].mean(), model.freshness[ranking].mean(), said.mean()])
    names = ["item_popularity", "item_freshness", "item_similarity"]
    np.testing.assert_allclose(np.stack([found[name] for name in names], axis=1), expected, rtol=1e-6)
    assert sorted(found) == sorted(names)


def test_what_was_created_when_nobody_knows_is_not_fresh() -> None:
    model = fitted(texts_of(["a b", "a c", "a d"], [-1, 100, 200]))
    assert model.freshness.tolist() == [0, 0, 1]
    assert fitted(texts_of(["a b", "a c"], [-1, -1])).freshness.tolist() == [0, 0]


def test_a_training_without_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="no texts"):
        semantic.fit(TrainingData(1, NOBODY))
