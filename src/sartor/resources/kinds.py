"""The table of kinds: what a resource is called, what it hangs on, what holds it, who works for it.

What all fifteen have in common is in ``control``; what one of them has alone is a function in ``rules``.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

from sartor.resources.kind_names import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    CAMPAIGN,
    DATA_DELETION_JOB,
    DATASET,
    DATASET_EXPORT_JOB,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    EVENT_TRACKER,
    FILTER,
    METRIC_ATTRIBUTION,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
)
from sartor.resources.statuses import Verb

#: What waits in one lane never waits behind what is in another: what only changes a row, what moves data, trainings.
Lane = Literal["quick", "heavy", "training"]
LANES: Final[tuple[Lane, ...]] = get_args(Lane)
#: The statuses of work that has not ended yet, in both spellings of the service.
UNFINISHED: Final = ("CREATE PENDING", "CREATE IN_PROGRESS", "CREATE STOPPING", "PENDING", "IN_PROGRESS")
#: The statuses of what will be there soon.
CREATING: Final = ("CREATE PENDING", "CREATE IN_PROGRESS")
#: The statuses in which a resource counts against a quota of active resources, and in which it can be deleted.
COUNTED: Final = (*CREATING, "ACTIVE")
DELETABLE: Final = ("ACTIVE", "CREATE FAILED")
#: The statuses of a recommender that was active, and answers nobody now.
STOPPED: Final = ("STOP PENDING", "STOP IN_PROGRESS", "INACTIVE", "START PENDING", "START IN_PROGRESS")


@dataclass(frozen=True)
class Kind:
    """One kind of resource.

    Attributes:
        name: the word in its ARN; a solution version shares its solution's and has a second part.
        noun: the word in its operations: ``Create`` + noun, ``List`` + noun + ``s``.
        member: the member that holds one of it, and in the plural a list; with ``Arn`` its ARN.
        tail: the end of its ARN, from names that the rule of its creation knows.
        listed_by: the member of its List operation that names what it belongs to; a rule that creates one
            must have that resource among the draft's parents.
        held_by: the kinds that block its deletion as long as one of them names it.
        held_by_work: the kinds that block its deletion only until their work has ended.
        lane: in which what its ``long_verbs`` do waits. ``None``: it is there at once, without status.
        long_verbs: what takes long; its other work is quick, but for what reads all of its data.
        created_at_once: whether it is active when its creation is answered; its updates and its deletion are work.
        taggable: whether it takes tags.
        deletable: whether an operation deletes it; jobs stay for ever.
        updated_beside: whether it stays active while it is updated; see ``updates``.
        listed_by_known: whether its List operation refuses to list what belongs to nothing that exists.
        counted: the statuses in which it counts against a quota of active ones.
        deleted_in: the statuses in which it can be deleted.
    """

    name: str
    noun: str
    member: str
    tail: str
    listed_by: str | None = None
    held_by: tuple[str, ...] = ()
    held_by_work: tuple[str, ...] = ()
    lane: Lane | None = "quick"
    long_verbs: tuple[Verb, ...] = ("create",)
    created_at_once: bool = False
    taggable: bool = True
    deletable: bool = True
    updated_beside: bool = False
    listed_by_known: bool = False
    counted: tuple[str, ...] = COUNTED
    deleted_in: tuple[str, ...] = DELETABLE

    def lane_of(self, verb: Verb) -> Lane:
        """Return the lane in which a piece of its work waits."""
        if verb == "describe":
            return "heavy"
        return self.lane if self.lane is not None and verb in self.long_verbs else "quick"

    @property
    def update_member(self) -> str:
        """The member that shows its newest update, such as ``latestCampaignUpdate``."""
        return f"latest{self.noun}Update"

    @property
    def arn_member(self) -> str:
        """The member that holds its ARN, such as ``datasetGroupArn``."""
        return f"{self.member}Arn"

    @property
    def list_member(self) -> str:
        """The member that holds a list of it; filters alone are spelled with a capital."""
        return "Filters" if self.name == FILTER else f"{self.member}s"

    @property
    def name_member(self) -> str:
        """The member that holds its name: ``jobName`` for jobs, else ``name``."""
        return "jobName" if self.name.endswith("-job") else "name"


_BATCH_JOBS = (BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB)
_DATASET_HOLDERS = (FILTER, EVENT_TRACKER, METRIC_ATTRIBUTION, RECOMMENDER, CAMPAIGN)
_DATASET_WORK = (DATASET_IMPORT_JOB, DATASET_EXPORT_JOB, SOLUTION_VERSION, *_BATCH_JOBS)
_GROUP_HOLDERS = (DATASET, EVENT_TRACKER, SOLUTION, RECOMMENDER, METRIC_ATTRIBUTION)

_TABLE = (
    Kind(DATASET_GROUP, "DatasetGroup", "datasetGroup", "{name}", held_by=_GROUP_HOLDERS),
    Kind(SCHEMA, "Schema", "schema", "{name}", held_by=(DATASET,), lane=None, taggable=False),
    Kind(
        DATASET,
        "Dataset",
        "dataset",
        "{group}/{type}",
        listed_by="datasetGroupArn",
        held_by=_DATASET_HOLDERS,
        held_by_work=_DATASET_WORK,
    ),
    Kind(
        DATASET_IMPORT_JOB,
        "DatasetImportJob",
        "datasetImportJob",
        "{name}",
        listed_by="datasetArn",
        lane="heavy",
        deletable=False,
    ),
    Kind(
        DATASET_EXPORT_JOB,
        "DatasetExportJob",
        "datasetExportJob",
        "{name}",
        listed_by="datasetArn",
        lane="heavy",
        deletable=False,
    ),
    Kind(
        DATA_DELETION_JOB,
        "DataDeletionJob",
        "dataDeletionJob",
        "{name}",
        listed_by="datasetGroupArn",
        lane="heavy",
        deletable=False,
    ),
    Kind(EVENT_TRACKER, "EventTracker", "eventTracker", "{id}", listed_by="datasetGroupArn"),
    Kind(
        METRIC_ATTRIBUTION,
        "MetricAttribution",
        "metricAttribution",
        "{name}",
        listed_by="datasetGroupArn",
        taggable=False,
    ),
    Kind(FILTER, "Filter", "filter", "{name}", listed_by="datasetGroupArn", held_by_work=_BATCH_JOBS),
    Kind(
        SOLUTION,
        "Solution",
        "solution",
        "{name}",
        listed_by="datasetGroupArn",
        held_by=(CAMPAIGN,),
        held_by_work=(SOLUTION_VERSION, *_BATCH_JOBS),
        created_at_once=True,
        updated_beside=True,
    ),
    Kind(
        SOLUTION_VERSION,
        "SolutionVersion",
        "solutionVersion",
        "{solution}/{id}",
        listed_by="solutionArn",
        lane="training",
        long_verbs=("create", "verify"),
        deletable=False,
        listed_by_known=True,
    ),
    Kind(CAMPAIGN, "Campaign", "campaign", "{name}", listed_by="solutionArn", updated_beside=True),
    Kind(
        RECOMMENDER,
        "Recommender",
        "recommender",
        "{name}",
        listed_by="datasetGroupArn",
        lane="training",
        long_verbs=("create", "train", "verify"),
        updated_beside=True,
        # one that is stopped keeps its place: StartRecommender has no error that says that there is none
        counted=(*COUNTED, *STOPPED),
        deleted_in=(*DELETABLE, "INACTIVE"),
    ),
    Kind(
        BATCH_INFERENCE_JOB,
        "BatchInferenceJob",
        "batchInferenceJob",
        "{name}",
        listed_by="solutionVersionArn",
        lane="heavy",
        deletable=False,
    ),
    Kind(
        BATCH_SEGMENT_JOB,
        "BatchSegmentJob",
        "batchSegmentJob",
        "{name}",
        listed_by="solutionVersionArn",
        lane="heavy",
        deletable=False,
    ),
)
#: Every kind by its name.
KINDS: Final = {kind.name: kind for kind in _TABLE}
#: Every kind by the member that holds its ARN.
BY_ARN_MEMBER: Final = {kind.arn_member: kind for kind in _TABLE}

_ARN = re.compile(
    r"arn:aws:personalize:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<name>[a-z-]+)/(?P<tail>[A-Za-z0-9_/-]+)"
)


def arn_of(kind: Kind, region: str, account: str, **names: str) -> str:
    """Return the ARN of one resource.

    Args:
        kind: what it is.
        region: where it is.
        account: whose it is.
        **names: the words of the kind's ``tail``.
    """
    return arn_at(kind, region, account, kind.tail.format(**names))


def arn_at(kind: Kind, region: str, account: str, tail: str) -> str:
    """Return the ARN of one resource by its end, such as ``shop/ITEMS``."""
    word = SOLUTION if kind.name == SOLUTION_VERSION else kind.name
    return f"arn:aws:personalize:{region}:{account}:{word}/{tail}"


@lru_cache(maxsize=4096)
def kind_of(arn: str, region: str, account: str) -> Kind | None:
    """Return the kind that an ARN names, or ``None`` if it cannot be a resource of this account and region.

    Every ARN of a request comes through here before it comes near the database: this is where accounts end.
    """
    match = _ARN.fullmatch(arn)
    if match is None or match["region"] != region or match["account"] != account:
        return None
    if match["name"] == SOLUTION and "/" in match["tail"]:
        return KINDS[SOLUTION_VERSION]
    return None if match["name"] == SOLUTION_VERSION else KINDS.get(match["name"])
