"""The pages about models: what is compared, and what the intervals say of it."""

import pytest

from sartor.console.pages.comparing import compared, judged
from sartor.console.pages.models import examined, losses, newest_pairs


def interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("one", "other", "word", "sort"),
    [
        (interval(0.5, 0.45, 0.55), interval(0.3, 0.25, 0.35), "better", "good"),
        (interval(0.3, 0.25, 0.35), interval(0.5, 0.45, 0.55), "worse", "bad"),
        (interval(0.36, 0.31, 0.41), interval(0.3, 0.25, 0.35), "probably better", "good"),
        (interval(0.31, 0.26, 0.36), interval(0.3, 0.25, 0.35), "not known to differ", "warn"),
        (interval(0.3, 0.3, 0.3), interval(0.3, 0.3, 0.3), "not known to differ", "warn"),
    ],
)
def test_two_versions_differ_if_their_intervals_overlap_by_less_than_half(
    one: dict[str, float], other: dict[str, float], word: str, sort: str
) -> None:
    found = judged(one, other)
    assert (found["word"], found["sort"]) == (word, sort)


def test_each_solution_has_its_newest_trained_version_and_the_one_before() -> None:
    models = [
        {"arn": "a3", "solutionArn": "a", "status": "CREATE IN_PROGRESS"},
        {"arn": "a2", "solutionArn": "a", "status": "ACTIVE"},
        {"arn": "b1", "solutionArn": "b", "status": "ACTIVE"},
        {"arn": "r", "status": "ACTIVE"},
        {"arn": "a1", "solutionArn": "a", "status": "ACTIVE"},
        {"arn": "a0", "solutionArn": "a", "status": "ACTIVE"},
    ]
    assert newest_pairs(models) == [("a2", "a1")]


def test_a_curve_needs_two_losses() -> None:
    assert losses(None) is None
    assert losses([(0.1, 5.0)]) is None
    curve = losses([(0.1, 5.0), (0.2, 4.0)])
    assert curve is not None
    assert curve.count("<polyline") == 1


def test_an_examination_has_what_decides_first_and_says_what_a_version_is_surely_above() -> None:
    metrics = {
        "mean_reciprocal_rank_at_25": {
            "version": interval(0.2, 0.1, 0.3),
            "popularity": interval(0.1, 0, 0.2),
        },
        "normalized_discounted_cumulative_gain_at_25": {
            "version": interval(0.4, 0.3, 0.5),
            "popularity": interval(0.1, 0, 0.2),
        },
    }
    found = examination(metrics)
    first, second = examined(found)["rows"]
    assert (first["metric"], first["above"]) == ("NDCG at 25", ["popularity"])
    assert (second["metric"], second["above"]) == ("mean reciprocal rank at 25", [])
    beside = compared("users", found, found)
    assert beside["verdict"]["word"] == "not known to differ"
    assert [len(row["pair"]) for row in beside["rows"]] == [2, 2]


def examination(metrics: dict[str, dict[str, dict[str, float]]]) -> dict[str, object]:
    """Return an examination as a training's answer has it."""
    return {
        "split": "users",
        "model": "blend",
        "standsIn": False,
        "unit": "users",
        "asked": 20,
        "decides": "normalized_discounted_cumulative_gain_at_25",
        "metrics": metrics,
        "differences": {
            "normalized_discounted_cumulative_gain_at_25": {"popularity": interval(0.3, 0.2, 0.4)},
            "mean_reciprocal_rank_at_25": {"popularity": interval(0.1, -0.1, 0.3)},
        },
    }
