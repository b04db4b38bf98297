"""What a person reads about models: progress, metrics, explanations, filters."""

from typing import Any

import pytest
from rich.console import Console

from sartor.console import terminal
from sartor.console.terminal import progress_text


@pytest.fixture
def console() -> Console:
    return Console(width=120, record=True)


def test_progress_is_told_in_words_without_what_is_not_known_yet() -> None:
    assert progress_text({"phase": "reading", "bytesRead": 1_000, "bytesTotal": 4_000}) == (
        "1,000 of 4,000 bytes (25%)"
    )
    whole = {"rowsRead": 5_000, "bytesRead": 1, "bytesTotal": 2, "rowsPerSecond": 10_000, "secondsLeft": 0.4}
    assert progress_text(whole) == "5,000 rows, 1 of 2 bytes (50%), 10,000 rows/s, 0 s left"
    assert progress_text({"secondsLeft": None}) == ""


def test_the_progress_of_a_training_names_its_phase_epoch_and_trial() -> None:
    assert progress_text({"phase": "reading"}) == "reading"
    running = {"epoch": 3, "epochs": 8, "loss": 5.91234, "secondsLeft": 140}
    assert progress_text(running) == "epoch 3 of 8, loss 5.912, 140 s left"
    assert progress_text({"phase": "evaluating", "done": 256, "of": 1000}) == "evaluating, 256 of 1,000"
    assert progress_text({"phase": "tuning", "trial": 2, "trials": 5}) == "tuning, trial 2 of 5"


RECORD: dict[str, Any] = {
    "recipe": "aws-sims",
    "model": "similar",
    "trainedAt": 1.7e9,
    "interactions": 12345,
    "users": 10,
    "items": 20,
    "eventType": None,
    "tables": {"INTERACTIONS": {"bulkVersion": 3, "putNumber": 7}},
    "parameters": {"min_cointeraction_count": "3"},
    "seed": 0,
    "threads": 2,
    "sartor": "9.9",
    "libraries": {"numpy": "8.8"},
}


def test_a_training_shows_its_metrics_and_what_made_it(console: Console) -> None:
    answer = {
        "solutionVersionArn": "arn:x",
        "status": "ACTIVE",
        "metrics": {"coverage": 0.25},
        "record": RECORD,
    }
    terminal.show_training(console, answer)
    shown = console.export_text()
    for text in (
        *("arn:x: ACTIVE", "coverage", "0.2500", "12,345 of 10 users and 20 items"),
        *(
            "INTERACTIONS version 3, put records up to 7",
            "min_cointeraction_count 3",
            "sartor 9.9, numpy 8.8",
        ),
    ):
        assert text in shown
    assert "event type" not in shown


def test_a_training_that_runs_or_failed_says_so(console: Console) -> None:
    running = {"status": "CREATE IN_PROGRESS", "attempt": 2, "progress": {"phase": "reading"}}
    terminal.show_training(console, {"solutionVersionArn": "arn:x", **running})
    terminal.show_training(
        console,
        {"solutionVersionArn": "arn:y", "status": "CREATE FAILED", "failureReason": "Too [few] rows."},
    )
    shown = console.export_text()
    assert "arn:x: CREATE IN_PROGRESS  reading  attempt 2" in shown
    assert "Too [few] rows." in shown


def test_models_are_held_against_one_of_them(console: Console) -> None:
    ndcg = "normalized_discounted_cumulative_gain_at_25"
    terminal.compare_metrics(
        console, {"popularity": {ndcg: 0.1}, "mine": {ndcg: 0.25}, "none": {}}, against="popularity"
    )
    shown = console.export_text()
    assert "against popularity" in shown
    assert "2.5 ×" in shown


def test_an_explanation_names_the_evidence_and_what_rules_removed(console: Console) -> None:
    answer = {
        **RECORD,
        "solutionVersionArn": "arn:v",
        "history": [f"h{number}" for number in range(9)],
        "items": [
            {"itemId": "a", "score": 0.5, "evidence": [{"itemId": "h1", "gain": 2.0}]},
            {"itemId": "b", "reason": "Exploration", "evidence": []},
        ],
        "removed": [
            {"filterArn": "f", "rule": "EXCLUDE x", "items": 1200, "ofTheBest": list("cdefghi")},
            {"filterArn": "f", "rule": "EXCLUDE y", "items": 3, "ofTheBest": []},
        ],
    }
    terminal.show_explanation(console, answer, lambda name: f"<{name}>")
    shown = console.export_text()
    for text in (
        *("History, newest first: <h8>, <h7>, <h6>, <h5>, <h4> and 4 more", "<a>", "0.5000", "<h1>"),
        *("exploration", "Removed by EXCLUDE x: 1,200 items, 7 of the 200 best", "<g> and 2 more"),
        "Removed by EXCLUDE y: 3 items, none of the 200 best",
    ):
        assert text in shown


def test_a_trial_of_a_filter_counts_and_names_examples(console: Console) -> None:
    answer = {"items": 40, "kept": 10, "removed": 30, "keptExamples": ["a"], "removedExamples": ["b", "c"]}
    terminal.show_trial(console, answer)
    terminal.show_trial(
        console, {"items": 0, "kept": 0, "removed": 0, "keptExamples": [], "removedExamples": []}
    )
    shown = console.export_text()
    assert "keeps 10 of 40 items (25.0%)\nkept: a and 9 more\nremoved: b, c and 28 more" in shown
    assert "keeps 0 of 0 items (0.0%)" in shown
