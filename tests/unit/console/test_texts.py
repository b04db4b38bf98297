"""What a person reads: progress, metrics, explanations, filters, reports, comparisons."""

from typing import Any

import click
import pytest

from sartor.console import texts


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def test_progress_is_told_in_words_without_what_is_not_known_yet() -> None:
    assert texts.progress({"phase": "reading", "bytesRead": 1_000, "bytesTotal": 4_000}) == (
        "1,000 of 4,000 bytes (25%)"
    )
    whole = {"rowsRead": 5_000, "bytesRead": 1, "bytesTotal": 2, "rowsPerSecond": 10_000, "secondsLeft": 0.4}
    assert texts.progress(whole) == "5,000 rows, 1 of 2 bytes (50%), 10,000 rows/s, 0 s left"
    assert texts.progress({"secondsLeft": None}) == ""


def test_the_progress_of_a_training_names_its_phase_epoch_and_trial() -> None:
    assert texts.progress({"phase": "reading"}) == "reading"
    assert texts.progress({"phase": "reading", "phaseSeconds": 41.3}) == "reading for 41 s"
    assert texts.progress({"phase": "reading", "phaseSeconds": 0.4}) == "reading"
    running = {"epoch": 3, "epochs": 8, "loss": 5.91234, "secondsLeft": 140}
    assert texts.progress(running) == "epoch 3 of 8, loss 5.912, 140 s left"
    assert texts.progress({"phase": "evaluating", "done": 256, "of": 1000}) == "evaluating, 256 of 1,000"
    assert texts.progress({"phase": "tuning", "trial": 2, "trials": 5}) == "tuning, trial 2 of 5"


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


def test_a_training_shows_its_metrics_and_what_made_it() -> None:
    answer = {
        "solutionVersionArn": "arn:x",
        "status": "ACTIVE",
        "metrics": {"coverage": 0.25},
        "record": {**RECORD, "warnings": ["It is not above popularity."]},
    }
    shown = click.unstyle(texts.training(answer))
    for text in (
        "• It is not above popularity.",
        *("arn:x: ACTIVE", "coverage", "0.2500", "12,345 of 10 users and 20 items"),
        *(
            "INTERACTIONS version 3, put records up to 7",
            "min_cointeraction_count 3",
            "sartor 9.9, numpy 8.8",
        ),
    ):
        assert text in shown
    assert "event type" not in shown


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


NDCG = "normalized_discounted_cumulative_gain_at_25"
EXAMINED: dict[str, Any] = {
    "split": "users",
    "model": "similar",
    "standsIn": False,
    "unit": "users",
    "asked": 1234,
    "confidence": 0.95,
    "decides": NDCG,
    "metrics": {
        NDCG: {"version": interval(0.2), "popularity": interval(0.05), "item-knn": interval(0.195)},
        "novelty": {"version": interval(3.5), "popularity": interval(1.0), "item-knn": interval(4.0)},
    },
    "differences": {NDCG: {"popularity": interval(0.15), "item-knn": interval(0.005)}},
}


def test_a_training_shows_each_metric_with_its_interval_beside_the_baselines() -> None:
    answer = {
        "solutionVersionArn": "arn:x",
        "status": "ACTIVE",
        "metrics": {NDCG: 0.2, "trend_prediction_accuracy": 0.75},
        "evaluation": [EXAMINED, {**EXAMINED, "split": "time", "knownUntil": 1.7e9, "standsIn": True}],
        "record": RECORD,
    }
    shown = click.unstyle(texts.training(answer))
    lines = [line.split() for line in shown.splitlines()]
    assert [NDCG, "0.2000", "(0.190–0.210)", "0.0500", "0.1950", "popularity"] in lines
    assert ["novelty,", "bits", "3.5000", "(3.490–3.510)", "1.0000", "4.0000"] in lines
    assert ["trend_prediction_accuracy", "0.7500"] in lines
    assert "By users: the newest interactions of 1,234 users" in shown
    assert "by similar without a sequence model, trained on what came before" in shown
    bars = {line[0]: len(line[1]) for line in lines if len(line) == 4 and line[2].startswith("0.")}
    assert bars["version"] > bars["item-knn"] > bars["popularity"]


def test_what_has_no_baselines_has_no_bars_and_is_above_nothing() -> None:
    alone = {
        **EXAMINED,
        "split": "nothing",
        "unit": "items",
        "decides": "",
        "metrics": {"item_freshness": {"version": interval(0.5)}},
        "differences": {},
    }
    assert texts.bars(alone) == ""
    shown = click.unstyle(
        texts.training({"solutionVersionArn": "a", "status": "ACTIVE", "evaluation": [alone]})
    )
    assert "What is recommended for 1,234 items" in shown
    assert "surely above" not in shown
    nobody = {**EXAMINED, "metrics": {NDCG: {"version": interval(0.0), "popularity": interval(0.0)}}}
    assert texts.bars(nobody) == ""


def test_a_training_that_runs_or_failed_says_so() -> None:
    running = {"status": "CREATE IN_PROGRESS", "attempt": 2, "progress": {"phase": "reading"}}
    assert texts.training({"solutionVersionArn": "arn:x", **running}) == (
        "arn:x: CREATE IN_PROGRESS  reading  attempt 2"
    )
    failed = {"status": "CREATE FAILED", "failureReason": "Too few rows."}
    assert texts.training({"solutionVersionArn": "arn:y", **failed}) == (
        "arn:y: CREATE FAILED\nToo few rows."
    )


def test_models_are_held_against_one_of_them() -> None:
    ndcg = "normalized_discounted_cumulative_gain_at_25"
    shown = texts.compared_metrics(
        {"popularity": {ndcg: 0.1}, "mine": {ndcg: 0.25}, "none": {}}, against="popularity"
    )
    assert "against popularity" in shown
    assert "2.5 ×" in shown


def test_an_explanation_names_the_evidence_and_what_rules_removed() -> None:
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
    shown = texts.explanation(answer, lambda name: f"<{name}>")
    for text in (
        *("History, newest first: <h8>, <h7>, <h6>, <h5>, <h4> and 4 more", "<a>", "0.5000", "<h1>"),
        *("exploration", "Removed by EXCLUDE x: 1,200 items, 7 of the 200 best", "<g> and 2 more"),
        "Removed by EXCLUDE y: 3 items, none of the 200 best",
    ):
        assert text in shown
    assert "unknown" not in shown
    assert "History" not in texts.explanation({**answer, "history": [], "unknownUser": True})
    assert "The user is unknown" in texts.explanation({**answer, "history": [], "unknownUser": True})
    titled = texts.explanation({**answer, "titles": {"a": "The Title"}})
    assert "a The Title" in titled


def test_a_trial_of_a_filter_counts_and_names_examples() -> None:
    answer = {"items": 40, "kept": 10, "removed": 30, "keptExamples": ["a"], "removedExamples": ["b", "c"]}
    assert texts.trial(answer) == (
        "keeps 10 of 40 items (25.0%)\nkept: a and 9 more\nremoved: b, c and 28 more"
    )
    assert "kept: a The Title and 9 more" in texts.trial({**answer, "titles": {"a": "The Title"}})
    nothing = {"items": 0, "kept": 0, "removed": 0, "keptExamples": [], "removedExamples": []}
    assert texts.trial(nothing) == "keeps 0 of 0 items (0.0%)"


REPORT: dict[str, Any] = {
    "verdict": "imported",
    "rowsRead": 2000,
    "rowsImported": 2000,
    "rowsRejected": 0,
    "bytesRead": 5000,
    "seconds": 0.25,
    "faults": [],
}


def test_a_report_counts_in_one_line_what_was_imported() -> None:
    assert click.unstyle(texts.report(REPORT)) == (
        "imported  2,000 rows read = 2,000 imported + 0 rejected, 5,000 bytes in 0.25 s"
    )


def test_a_broken_rule_is_one_line_with_its_first_places() -> None:
    places: list[dict[str, Any]] = [
        {"file": "x.csv", "line": 3, "value": "[red]soon\n"},
        {"file": "x.csv", "line": 4, "value": 300 * "9"},
        {"file": "y.csv", "value": "the header is a"},
        {"file": "z.csv", "line": 5, "value": "not shown"},
    ]
    faults = [
        {"rule": "YEAR must be a number.", "count": 1234, "examples": places},
        {"rule": "There must be rows.", "count": 1, "examples": [{"value": None}]},
    ]
    failed = texts.report({**REPORT, "verdict": "failed", "faults": faults})
    assert failed.startswith(click.style("failed", fg="red", bold=True))
    assert failed.splitlines()[2:] == [
        f"YEAR must be a number. 1,234 rows: x.csv line 3 '[red]soon\\n', line 4 '{200 * '9'}…'; "
        "y.csv the header is a and 1,231 more",
        "There must be rows. 1 row: the job",
    ]


def test_what_was_only_tried_is_not_called_imported() -> None:
    would = click.unstyle(texts.report(REPORT, tried=True))
    assert would.startswith("would import  2,000 rows read = 2,000 good + 0 rejected")
    failed = click.unstyle(texts.report({**REPORT, "verdict": "failed"}, tried=True))
    assert failed.startswith("would fail  ")


@pytest.mark.parametrize(
    ("verdict", "said"),
    [("imported", "3 bad cells became null:"), ("failed", "3 bad cells would become null:")],
)
def test_a_report_says_which_warnings_are_cells_that_become_null(verdict: str, said: str) -> None:
    example = {"file": "x.csv", "line": 3, "value": "2006-2007"}
    warnings = [
        {"code": "INVALID_INT", "rule": "YEAR must be a number.", "count": 3, "examples": [example]},
        {"code": "FRACTION_CUT", "rule": "T has fractions.", "count": 7, "examples": [example]},
    ]
    shown = texts.report({**REPORT, "verdict": verdict, "warnings": warnings})
    lines = shown.splitlines()
    assert said in lines
    assert "warning: YEAR must be a number. 3 rows: x.csv line 3 '2006-2007' and 2 more" in lines
    assert "null" not in texts.report({**REPORT, "verdict": verdict, "warnings": warnings[1:]})


def test_trainings_that_are_equal_are_called_so() -> None:
    found = {"equal": True, "arrays": 7, "differences": [], "changes": [], "metrics": {}}
    assert texts.comparison(found) == "equal  7 arrays, every number of them"


def test_trainings_that_differ_say_where_by_how_much_and_what_may_be_the_reason() -> None:
    found: dict[str, Any] = {
        "equal": False,
        "arrays": 7,
        "differences": [
            {"part": "offsets", "was": "int64[3]", "now": "int64[3]", "share": 0.5, "largest": 0.00125},
            {"part": "item", "was": None, "now": "int32[9]", "share": None, "largest": None},
        ],
        "changes": [],
        "metrics": {"coverage": [0.5, None]},
    }
    first, _, _, *shown = texts.comparison(found).splitlines()
    assert first == "different  2 of 7 arrays"
    assert [line.split() for line in shown[:2]] == [
        ["offsets", "int64[3]", "int64[3]", "50.00%", "0.00125"],
        ["item", "none", "int32[9]"],
    ]
    assert shown[2] == "coverage: 0.5000 then, none now"
    assert "another machine" in shown[3]
    moved = {**found, "changes": [{"what": "numpy", "was": "1", "now": "2"}]}
    assert texts.comparison(moved).endswith("numpy: 1 then, 2 now")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "INTERACTIONS version 3, no put records"),
        (7, "INTERACTIONS version 3, put records up to 7"),
        (1_700_000_000_000_000, "INTERACTIONS version 3, put records up to 2023-11-1"),
    ],
)
def test_the_newest_put_record_of_a_training_is_told_by_its_time(number: int, words: str) -> None:
    tables = {"INTERACTIONS": {"bulkVersion": 3, "putNumber": number}}
    answer = {
        "solutionVersionArn": "arn:x",
        "status": "ACTIVE",
        "metrics": {"coverage": 0.25},
        "record": {**RECORD, "tables": tables},
    }
    assert words in click.unstyle(texts.training(answer))
