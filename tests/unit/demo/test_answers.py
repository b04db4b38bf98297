"""Lists of items beside each other, and how an item moved."""

import pytest
from rich.console import Console

from sartor.demo import answers
from sartor.demo.answers import Item


@pytest.fixture
def console() -> Console:
    return Console(width=120, record=True)


def items(ids: str) -> list[Item]:
    return [Item(name, f"Title [{name}]" if name != "y" else "Title [x]", f"of {name}") for name in ids]


def test_two_lists_stand_beside_each_other_though_one_is_longer(console: Console) -> None:
    answers.show_beside(console, "User [1]", ("left", items("a")), ("right", items("bc")))
    shown = console.export_text()
    for text in ("left", "right", "Title [a]", "of a", "Title [b]", "Title [c]"):
        assert text in shown


def test_an_item_moves_by_its_id_and_not_by_its_title(console: Console) -> None:
    answers.show_moved(console, "User", items("xyab"), items("yxca"))
    shown = console.export_text().splitlines()
    moved = [line.rpartition("│")[0].rpartition("│")[2].strip() for line in shown if "Title" in line]
    assert moved == ["up 1", "down 1", "new", "down 1"]
    assert "1 of 4 items are new after one event." in shown


def test_a_training_shows_its_model_and_how_long_it_took(console: Console) -> None:
    record = {"model": "similar", "interactions": 1234, "users": 5, "items": 6}
    answers.show_trainings(console, {"aws-sims": record}, {"aws-sims": 1.25})
    shown = console.export_text()
    for text in ("sims", "similar", "1,234", "1.2"):
        assert text in shown
