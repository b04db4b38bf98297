"""Answers that are written side by side say what each would say alone."""

import json

import numpy as np
import pytest

from sartor.realtime.answer_rows import AnswerRows, Pieces
from sartor.realtime.catalogue import as_json

NAMES = ["a", "item-22", 'with "quotes", a comma and a \\', "ünïcode", "tab\there", "b" * 40]
#: Of all sizes, with zeros in their middle and at their end.
SCORES = [1.0, 0.0, 0.5, 0.0000001, 0.1234567, 0.0001, 0.0102030, 0.9999999, 0.25]


def joined(pieces: Pieces) -> list[bytes]:
    return [b"".join(row) for row in pieces.tolist()]


@pytest.mark.parametrize("reasons", [False, True])
@pytest.mark.parametrize("names", [NAMES, [*NAMES, "long" * 60]])
def test_every_answer_has_its_items_and_scores(names: list[str], reasons: bool) -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(names), (30, 4)).astype(np.int32)
    scores = rng.choice(SCORES, (30, 4))
    writer = AnswerRows(as_json(names), reasons)
    written = joined(writer.pieces(rows, scores))
    for text, items, values in zip(written, rows.tolist(), scores.tolist(), strict=True):
        expected = {"recommendedItems": [names[item] for item in items], "scores": values}
        assert json.loads(text) == expected | ({"reasons": [[], [], [], []]} if reasons else {})
        assert json.loads(writer.one(items, values)) == json.loads(text)


def test_scores_are_written_as_short_as_they_are() -> None:
    writer = AnswerRows(as_json(["a"]), reasons=False)
    (text,) = joined(writer.pieces(np.zeros((1, 4), np.int32), np.array([[0.5, 1, 0, 0.0000001]])))
    assert text.endswith(b'"scores":[0.5,1.0,0.0,1e-7]}')


def test_what_is_not_the_models_choice_has_a_reason_and_may_have_no_score() -> None:
    text = AnswerRows(as_json(["a", "b"]), reasons=True).one([1, 0], [0.5, None], [None, "Popular item"])
    assert json.loads(text) == {
        "recommendedItems": ["b", "a"],
        "scores": [0.5, None],
        "reasons": [[], ["Popular item"]],
    }


def test_nobody_and_nothing_are_written_too() -> None:
    writer = AnswerRows(as_json(NAMES), reasons=False)
    assert joined(writer.pieces(np.zeros((0, 3), np.int32), np.zeros((0, 3)))) == []
    nothing = joined(writer.pieces(np.zeros((2, 0), np.int32), np.zeros((2, 0))))
    assert [json.loads(text) for text in nothing] == [{"recommendedItems": [], "scores": []}] * 2
