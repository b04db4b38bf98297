"""The numbers of Amazon's quotas; that each is kept is tested where it is."""

import pytest

from sartor.filters import check, grammar
from sartor.realtime import acting, asked, recommend, recommend_actions, seen
from sartor.recipes import RECIPES
from sartor.resources import batch_jobs, campaigns, filters, recommenders, solution_versions, solutions
from sartor.resources.solution_config import MAX_EVENT_TYPES
from sartor.work import train

SEGMENTS = {one.name: one.segmenting.most_lines for one in RECIPES if one.segmenting is not None}


@pytest.mark.parametrize(
    ("kept", "documented"),
    [
        (solutions.MAX_SOLUTIONS, 10),
        (solution_versions.MAX_UNFINISHED, 20),
        (campaigns.MAX_CAMPAIGNS, 5),
        (recommenders.MAX_RECOMMENDERS, 5),
        (filters.MAX_FILTERS, 30),
        (filters.MAX_FIELDS, 20),
        (check.MAXIMUM_FIELDS, 10),
        (grammar.MAXIMUM_CHARACTERS, 2500),
        (seen.SEEN_OF_A_TYPE, 100),
        (acting.SEEN_OF_A_TYPE, 300),
        (recommend.MOST_RESULTS, 500),
        (recommend.MOST_RESULTS_WITH_METADATA, 50),
        (asked.MOST_METADATA_COLUMNS, 10),
        (recommend_actions.MOST_RESULTS, 100),
        (MAX_EVENT_TYPES, 10),
        (batch_jobs.MAX_JOBS_AT_ONCE, 5),
        (batch_jobs.MAX_FILES, 1000),
        (batch_jobs.MAX_BYTES, 10**9),
        (batch_jobs.MAX_SEGMENT, 5_000_000),
        (batch_jobs.MAX_LINES, {"BATCH_INFERENCE": 50_000_000, "THEME_GENERATION": 100}),
        (SEGMENTS, {"aws-item-affinity": 500, "aws-item-attribute-affinity": 10}),
        (train.MINIMUM_INTERACTIONS, 1000),
        (train.MINIMUM_USERS, 25),
        (train.MAXIMUM_ACTIONS, 1000),
        (train.MAXIMUM_EVENT_TYPES_AND_COLUMNS, 10),
    ],
)
def test_a_quota_is_the_one_of_the_guides_page(kept: object, documented: object) -> None:
    assert kept == documented
