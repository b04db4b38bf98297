"""The kinds of resources that a file declares: where they stand in it, what they name, what can change in place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from sartor.resources.kind_names import (
    CAMPAIGN,
    DATASET,
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
from sartor.resources.kinds import KINDS, Kind
from sartor.wire.operations import load


@dataclass(frozen=True)
class Declarable:
    """One kind that a file declares.

    Attributes:
        name: of the kind.
        section: under which it stands.
        within: the kind under whose resources that section stands; ``None``: at the top.
        named: the members that name other resources, with the kind of each.
        updated: the members, or members of members, that Amazon's operations change in place.
        needs: the kinds that must be ACTIVE in its group, or in its solution, before it is created.
    """

    name: str
    section: str
    within: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    updated: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What the control plane knows of it."""
        return KINDS[self.name]

    @property
    def members(self) -> Mapping[str, Any]:
        """The shapes of what Create takes beside name, tags and what it names, by member."""
        shape = _shapes()[f"Create{self.kind.noun}"]
        apart = {"name", "tags", *self.named}
        return {name: one for name, one in shape.members.items() if name not in apart}

    @property
    def required(self) -> frozenset[str]:
        """The members that Create must have beside name and what it names."""
        return frozenset(_shapes()[f"Create{self.kind.noun}"].required_members) & self.members.keys()


@cache
def _shapes() -> dict[str, Any]:
    """Return botocore's shapes of the requests, by operation."""
    return {operation.name: operation.model.input_shape for operation in load().all}


_GROUP: Final = {"datasetGroupArn": DATASET_GROUP}
_FILLED: Final = (DATASET_GROUP, DATASET, DATASET_IMPORT_JOB)
#: Every kind, in the order in which they can be created.                                      <- add a kind
DECLARABLE: Final = {
    one.name: one
    for one in (
        Declarable(DATASET_GROUP, "datasetGroups"),
        Declarable(SCHEMA, "schemas"),
        Declarable(
            DATASET,
            "datasets",
            DATASET_GROUP,
            {**_GROUP, "schemaArn": SCHEMA},
            updated=("schema",),
            needs=(DATASET_GROUP,),
        ),
        Declarable(
            DATASET_IMPORT_JOB, "import", DATASET, {"datasetArn": DATASET}, needs=(DATASET_GROUP, DATASET)
        ),
        Declarable(EVENT_TRACKER, "eventTrackers", DATASET_GROUP, _GROUP, needs=(DATASET_GROUP, DATASET)),
        Declarable(FILTER, "filters", DATASET_GROUP, _GROUP, needs=(DATASET_GROUP, DATASET)),
        Declarable(
            METRIC_ATTRIBUTION,
            "metricAttributions",
            DATASET_GROUP,
            _GROUP,
            updated=("metrics", "metricsOutputConfig"),
            needs=(DATASET_GROUP, DATASET),
        ),
        Declarable(
            SOLUTION,
            "solutions",
            DATASET_GROUP,
            _GROUP,
            updated=(
                "performAutoTraining",
                "performIncrementalUpdate",
                "solutionConfig.autoTrainingConfig",
                "solutionConfig.eventsConfig",
            ),
            needs=_FILLED,
        ),
        Declarable(
            SOLUTION_VERSION, "trained", SOLUTION, {"solutionArn": SOLUTION}, needs=(*_FILLED, SOLUTION)
        ),
        Declarable(
            CAMPAIGN,
            "campaigns",
            SOLUTION,
            {"solutionVersionArn": SOLUTION},
            updated=("minProvisionedTPS", "campaignConfig"),
            needs=(SOLUTION_VERSION,),
        ),
        Declarable(
            RECOMMENDER,
            "recommenders",
            DATASET_GROUP,
            _GROUP,
            updated=("recommenderConfig",),
            needs=_FILLED,
        ),
    )
}
#: What takes minutes to hours.
LONG: Final = frozenset({DATASET_IMPORT_JOB, SOLUTION_VERSION, RECOMMENDER})


def nested_in(kind: str | None) -> list[Declarable]:
    """Return the kinds whose sections stand under resources of a kind, or at the top."""
    return [one for one in DECLARABLE.values() if one.within == kind]
