"""Two versions beside each other: which is better, what is different in what made them, what they answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sartor.console.pages import charts
from sartor.console.pages.models import COMPARE_PATH, OWN, SPLITS, TRAININGS, facts, metric_name, name_of
from sartor.console.pages.page import Page, Shown, Visit
from sartor.errors import ApiError, not_found
from sartor.resources.kinds import kind_of

#: Of the narrower of two intervals, so much may lie in the other one if the versions are to differ.
_OVERLAP: Final = 0.5
_USERS: Final = 20


def _show(visit: Visit) -> Shown:
    arns = [visit.wanted(name) for name in ("one", "other")]
    trainings = [_training(visit, arn) for arn in arns]
    evaluations = [{one["split"]: one for one in found.get("evaluation", ())} for found in trainings]
    splits = [
        compared(split, evaluations[0][split], evaluations[1][split])
        for split in evaluations[0]
        if split in evaluations[1]
    ]
    made = [facts(found.get("record") or {}) for found in trainings]
    words: dict[str, Any] = {
        "arns": arns,
        "names": [name_of(arn) for arn in arns],
        "splits": [one for one in splits if one["rows"]],
        "verdict": next((one["verdict"] for one in splits if one["verdict"]), None),
        "made": [(name, made[0].get(name, ""), made[1].get(name, "")) for name in {**made[0], **made[1]}],
        "answers": None,
        "refused": "",
    }
    try:
        words["answers"] = visit.asks.post("models", "compare", one=arns[0], other=arns[1], users=_USERS)
    except ApiError as error:  # their metrics are shown all the same
        words["refused"] = error.message
    return Shown("compare.html", words, images=True)


def _training(visit: Visit, arn: str) -> dict[str, Any]:
    kind = kind_of(arn, visit.caller.region, visit.caller.account)
    if kind is None or kind.name not in TRAININGS:
        raise not_found(arn)
    return visit.asks.get(TRAININGS[kind.name], arn)


def compared(split: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics that two examinations of one split have in common, and what they say of which is better."""
    rows: list[dict[str, Any]] = []
    for metric in one["metrics"]:
        pair: Sequence[Mapping[str, float]] = [
            of["metrics"][metric][OWN] for of in (one, other) if OWN in of["metrics"].get(metric, {})
        ]
        if len(pair) == 2:
            top, title = max(found["high"] for found in pair), metric_name(metric)
            rows.append(
                {
                    "metric": title,
                    "pair": [
                        {**found, "picture": charts.interval(title, *_ends(found), [], top)} for found in pair
                    ],
                    "decides": metric == one["decides"],
                }
            )
    decides = one["decides"]
    verdict = None
    if decides and OWN in other["metrics"].get(decides, {}):
        verdict = {
            "metric": metric_name(decides),
            **judged(one["metrics"][decides][OWN], other["metrics"][decides][OWN]),
        }
    return {
        "title": SPLITS.get(split, split),
        "rows": sorted(rows, key=lambda row: not row["decides"]),
        "verdict": verdict,
    }


def _ends(found: Mapping[str, float]) -> tuple[float, float, float]:
    return found["value"], found["low"], found["high"]


def judged(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, Any]:
    """Return whether one version is better than another, by their intervals: its word, its sort and why.

    Two versions whose intervals overlap by more than half of the narrower one are not known to differ.
    """
    overlap = min(one["high"], other["high"]) - max(one["low"], other["low"])
    narrower = min(one["high"] - one["low"], other["high"] - other["low"])
    is_above = one["value"] > other["value"]
    if overlap < 0:
        word, why = ("better" if is_above else "worse"), "the intervals do not even touch"
    elif overlap <= _OVERLAP * narrower and one["value"] != other["value"]:
        word, why = f"probably {'better' if is_above else 'worse'}", "the intervals overlap by less than half"
    else:
        word, why = "not known to differ", "the intervals overlap by more than half"
    sort = "warn" if word == "not known to differ" else "good" if is_above else "bad"
    return {"word": word, "sort": sort, "why": why, "one": dict(one), "other": dict(other)}


PAGES: Final = (Page(COMPARE_PATH, "Two versions", "Models", _show),)
