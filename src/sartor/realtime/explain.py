"""Why an answer is as it is: the model and data that made it, the rules that removed items, the evidence for each.

Beyond Amazon. Evidence is measured, not told: an item of the user's history is evidence for a recommended one by
how much its score falls when the model is asked without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sartor.filters import apply, tree, values
from sartor.filters.tree import Filter
from sartor.models.base import Bool, Float32, Query
from sartor.models.best import top
from sartor.realtime.asked import Asked
from sartor.realtime.filtering import Filters, seen_rows
from sartor.realtime.picked import Picked
from sartor.realtime.recommend import Recommender

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

Request = dict[str, Any]

#: So many of the newest items of a history are tried as evidence.
_TRIED: Final = 30
#: So many items of a history are shown.
_SHOWN_HISTORY: Final = 25
#: So many pieces of evidence are given for an item.
_EVIDENCE: Final = 3
#: Rules are shown with what they removed of so many of the model's best items.
_LOOKED_AT: Final = 200


def explain(recommender: Recommender, filters: Filters, caller: "Caller", request: Request) -> dict[str, Any]:
    """Return why a GetRecommendations request is answered as it is.

    Args:
        recommender: which answers it.
        filters: which filter it.
        caller: who asks.
        request: as of GetRecommendations.

    Raises:
        ApiError: as GetRecommendations does.
    """
    asked, picked = recommender.recommend(caller, request)
    version, items = asked.version, asked.version.items
    provenance = version.artifact.provenance
    history = () if asked.history is None else asked.history.items.tolist()
    evidence = _evidence(asked, picked)
    shown = [items.name(row) for row in history[-_SHOWN_HISTORY:]]
    removed = _removed(filters, caller, asked)
    named = {
        *(*shown, *(items.name(one.row) for one in picked)),
        *(one["itemId"] for found in evidence for one in found),
        *(name for rule in removed for name in rule["ofTheBest"]),
    }
    return {
        **{name: request[name] for name in ("campaignArn", "recommenderArn") if name in request},
        **(
            {} if version.trained.arn == asked.deployment.arn else {"solutionVersionArn": version.trained.arn}
        ),
        "recipe": version.recipe.name,
        "model": provenance["model"],
        "trainedAt": provenance["trainedAt"],
        "tables": provenance["tables"],
        "interactions": provenance["interactions"],
        **({"unknownUser": True} if asked.is_of_stranger and asked.user is None else {}),
        "history": shown,
        "items": [
            {
                "itemId": items.name(one.row),
                **({} if one.score is None else {"score": round(one.score, 7)}),
                **({} if one.reason is None else {"reason": one.reason}),
                "evidence": found,
            }
            for one, found in zip(picked, evidence, strict=True)
        ],
        "removed": removed,
        "titles": items.titles(sorted(named)),
        "images": items.images(sorted(named)),
    }


def _evidence(asked: Asked, picked: Sequence[Picked]) -> list[list[dict[str, Any]]]:
    """Return for each item the items of the history without which its score would fall most."""
    version = asked.version
    rows = np.array([one.row for one in picked], np.int64)
    history = np.zeros(0, np.int32) if asked.history is None else asked.history.items
    tried = min(len(history), _TRIED)
    if asked.serving.needs != "userId" or not tried or not len(rows):
        return [[] for _ in picked]
    first = len(history) - tried
    without = [np.delete(history, first + at) for at in range(tried)]
    scores = version.artifact.model.score_batch([Query(history), *(Query(items) for items in without)])
    known = rows < version.model_items
    gains = np.zeros((tried, len(rows)), np.float32)
    gains[:, known] = scores[0, rows[known]] - scores[1:, rows[known]]
    return [_strongest(asked, history[first:], gains[:, at]) for at in range(len(rows))]


def _strongest(asked: Asked, history: Any, gains: Float32) -> list[dict[str, Any]]:
    items = asked.version.items
    strongest: dict[int, float] = {}  # by item: what was met often counts by the time that matters most
    for at in np.argsort(-gains, kind="stable"):
        if gains[at] <= 0 or len(strongest) == _EVIDENCE:
            break
        strongest.setdefault(int(history[at]), float(gains[at]))
    return [{"itemId": items.name(item), "gain": round(gain, 4)} for item, gain in strongest.items()]


def _removed(filters: Filters, caller: "Caller", asked: Asked) -> list[dict[str, Any]]:
    """Return what each rule removed, of all items and of the model's best: the use case's, the request's filter's."""
    arn = asked.request.get("filterArn")
    if asked.scores.items is not None:
        return []
    items, best = asked.version.items, top(asked.scores.values, _LOOKED_AT)
    unseen = filters.unseen(asked.version, asked.request, asked.history)
    rules: list[tuple[dict[str, str], str, Bool]] = []
    if unseen is not None:
        rules.append(({}, f"{asked.serving.removes} events of the user", unseen))
    if arn is not None:
        found = filters.of(caller, arn, asked.version.trained.group)
        rules += [({"filterArn": arn}, rule, mask) for rule, mask in rules_of(found, asked)]
    return [
        {
            **named,
            "rule": rule,
            "items": int((~mask).sum()),
            "ofTheBest": [items.name(int(row)) for row in best if not mask[row]],
        }
        for named, rule, mask in rules
    ]


def rules_of(found: Filter, asked: Asked) -> list[tuple[str, Bool]]:
    """Return each rule of a filter with what it allows: all INCLUDE expressions together, each EXCLUDE alone."""
    included = [one for one in found.expressions if one.action == "INCLUDE"]
    groups = [included] if included else []
    groups += [[one] for one in found.expressions if one.action == "EXCLUDE"]
    columns = asked.version.items.columns
    given: Mapping[str, str] | None = asked.request.get("filterValues")
    seen = None if asked.history is None else seen_rows(asked.version.catalogue, asked.history)
    rules = []
    for group in groups:
        alone = replace(found, expressions=tuple(group))
        mask = apply.evaluate(
            alone,
            values.read(alone, given),
            columns,
            columns.n_rows,
            asked.user if tree.uses_current_user(alone) else None,
            seen,
            asked.item_row,
        )
        rules.append((" | ".join(_text_of(found, one) for one in group), mask))
    return rules


def _text_of(found: Filter, expression: tree.Expression) -> str:
    """Return an expression as it was written."""
    begins = [one.at.character - 1 for one in found.expressions]
    begin = expression.at.character - 1
    end = min((other for other in begins if other > begin), default=len(found.text))
    return found.text[begin:end].strip().removesuffix("|").strip()
