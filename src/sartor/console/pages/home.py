"""Home: what is there, what runs, what failed, and what to do next."""

from collections.abc import Mapping
from typing import Any, Final

from sartor.console.addresses import ROOT
from sartor.console.pages.page import Page, Shown, Visit
from sartor.resources.kind_names import (
    CAMPAIGN,
    DATASET,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    EVENT_TRACKER,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
)

#: What a newcomer makes, in this order: a kind that is missing, and what to do about it.
_STEPS: Final = (
    (DATASET_GROUP, "Make a dataset group: it holds the data and the models of one shop or one app."),
    (SCHEMA, "Describe your interactions with a schema: USER_ID, ITEM_ID, TIMESTAMP and what else you have."),
    (DATASET, "Make the Interactions dataset of the group."),
    (DATASET_IMPORT_JOB, "Import your interactions from a CSV or Parquet file."),
    (SOLUTION, "Make a solution with the recipe aws-user-personalization-v2."),
    (SOLUTION_VERSION, "Train it: make a solution version."),
    (CAMPAIGN, "Make a campaign, and ask it for recommendations."),
    (EVENT_TRACKER, "Make an event tracker, so that what your users do counts at once."),
)
_DEPLOYED: Final = frozenset({CAMPAIGN, RECOMMENDER})


def _show(visit: Visit) -> Shown:
    status = visit.asks.get("status")
    newest = visit.asks.get("resources", limit=100)["resources"]
    counts: Mapping[str, int] = status["resources"]
    return Shown(
        "home.html",
        {
            "counts": [(kind.replace("-", " "), count) for kind, count in counts.items()],
            "work": status["work"],
            "failed": [one for one in newest if "FAILED" in one.get("status", "")][:10],
            "deployed": [one for one in newest if one["kind"] in _DEPLOYED],
            "next": next_step(counts),
        },
    )


def next_step(counts: Mapping[str, Any]) -> str:
    """Return what to do next, ``""`` if there is all of it.

    Args:
        counts: how many resources there are, by kind.
    """
    wanted = [text for kind, text in _STEPS if not counts.get(kind)]
    if counts.get(RECOMMENDER):  # they need no solution
        return ""
    return wanted[0] if wanted else ""


PAGES: Final = (Page(ROOT, "Home", "Home", _show),)
