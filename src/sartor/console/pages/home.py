"""Home: what is there, what runs, what failed, and what to do next."""

import time
from collections.abc import Mapping
from typing import Any, Final

from sartor.console.addresses import ROOT
from sartor.console.pages.jobs import described
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
#: So many of each sort are shown; the sections of the console have them all.
_SHOWN: Final = 8
#: The operations whose rates are shown.
_WATCHED: Final = (
    "GetRecommendations",
    "GetPersonalizedRanking",
    "GetActionRecommendations",
    "PutEvents",
)


def _show(visit: Visit) -> Shown:
    words: dict[str, Any] = {}
    if visit.part in ("", "now"):
        status = visit.asks.get("status")
        counts: Mapping[str, int] = status["resources"]
        words |= {
            "counts": [(kind.replace("-", " "), count) for kind, count in counts.items()],
            "work": [described(one) for one in status["work"]],
            "failed": visit.asks.get("jobs", state="failed", limit=3)["jobs"],
            "next": next_step(counts),
        }
    if visit.part in ("", "traffic"):
        traffic = visit.asks.get("traffic")
        words |= {
            "seconds": traffic["seconds"],
            "operations": {name: traffic["operations"].get(name) for name in _WATCHED},
            "answers": traffic["answers"],
            "deployed": visit.asks.get("overview", limit=_SHOWN)["deployed"] if visit.part else None,
        }
    if not visit.part:
        overview = visit.asks.get("overview", limit=_SHOWN)
        words |= {
            "groups": overview["groups"],
            "models": overview["models"],
            "deployed": overview["deployed"],
        }
    return Shown("home.html", {**words, "time_now": time.time()})


def next_step(counts: Mapping[str, Any]) -> str:
    """Return what to do next, ``""`` if there is all of it.

    Args:
        counts: how many resources there are, by kind.
    """
    if counts.get(RECOMMENDER):  # they need no solution
        return ""
    return next((text for kind, text in _STEPS if not counts.get(kind)), "")


PAGES: Final = (Page(ROOT, "Home", "Home", _show),)
