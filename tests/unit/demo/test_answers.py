"""Lists of items beside each other, and how an item moved."""

import click

from sartor.demo import answers
from sartor.demo.answers import Item


def items(ids: str) -> list[Item]:
    return [Item(name, f"Title [{name}]" if name != "y" else "Title [x]", f"of {name}") for name in ids]


def test_two_lists_stand_beside_each_other_though_one_is_longer() -> None:
    shown = answers.beside("User [1]", ("left", items("a")), ("right", items("bc")))
    for text in ("left", "right", "Title [a]", "of a", "Title [b]", "Title [c]"):
        assert text in shown


def test_an_item_moves_by_its_id_and_not_by_its_title() -> None:
    shown = answers.moved("User", items("xyab"), items("yxca")).splitlines()
    rows = [line for line in shown if "Title" in line]
    assert [click.unstyle(row).rpartition("  ")[2] for row in rows] == ["up 1", "down 1", "new", "down 1"]
    assert [row for row in rows if row != click.unstyle(row)] == [rows[2]], "what is new is bold"
    assert "1 of 4 items are new after one event." in shown


def test_a_version_stands_beside_baselines_with_what_its_training_warns_of() -> None:
    column = {"value": 0.2, "low": 0.1, "high": 0.3}
    examined = {
        "split": "users",
        "decides": "ndcg",
        "metrics": {"ndcg": {"version": column, "popularity": column}},
    }
    training = {"evaluation": [examined], "record": {"warnings": ["It is not above."]}}
    shown = click.unstyle(answers.beside_baselines("aws-sims", training))
    for text in ("aws-sims beside", "ndcg, split by users", "0.2000 (0.100–0.300)", "It is not above."):
        assert text in shown


def test_a_training_shows_its_model_and_how_long_it_took() -> None:
    record = {"model": "similar", "interactions": 1234, "users": 5, "items": 6}
    shown = answers.trainings({"aws-sims": record}, {"aws-sims": 1.25})
    for text in ("sims", "similar", "1,234", "1.2"):
        assert text in shown
