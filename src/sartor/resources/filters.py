"""Filters: expressions that are checked against the group's schemas when they are created, at once.

Sources: the developer guide's "Filtering recommendations" and "Amazon Personalize endpoints and quotas".
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sartor.errors import ApiError, NotYet, invalid_input, limit_exceeded
from sartor.filters import check, parse, tree
from sartor.resources import groups, tags
from sartor.resources.call import Call, Draft, Request, inactive
from sartor.resources.kind_names import DATASET_GROUP, FILTER
from sartor.resources.kinds import COUNTED, CREATING
from sartor.resources.records import schema_of
from sartor.resources.store import Resource, Store

#: Amazon's quotas for the filters of one dataset group: how many, and how many columns they use together.
MAX_FILTERS: Final = 30
MAX_FIELDS: Final = 20


def create_filter(call: Call, request: Request) -> Draft:
    """Allow CreateFilter: an expression that the schemas of the group's datasets allow."""
    group = call.find(request["datasetGroupArn"], DATASET_GROUP)
    if group.status != "ACTIVE":  # the one creation that the model lets not answer ResourceInUseException
        raise inactive(group, invalid_input)
    every = call.transaction.datasets(group.arn)
    datasets = {
        name: dataset
        for name, dataset in every.items()
        if not (dataset.status or "").startswith(("CREATE", "DELETE"))
    }
    try:
        found = check.check(
            parse.parse(request["filterExpression"]),
            groups.schemas_of(call.transaction, datasets),
            maximum_fields=check.MAXIMUM_FIELDS if call.quotas_on else None,
        )
    except ApiError as error:
        if any(dataset.status in CREATING for dataset in every.values()):  # it may be about that one
            raise NotYet(error.code, error.message) from error
        raise
    fields = sorted(tree.fields(found))
    arn = call.free_arn(FILTER, name=request["name"])
    first_tags = tags.checked(request.get("tags"))
    call.require_active_quota(FILTER, "a filter", MAX_FILTERS, of=group.arn)
    if call.quotas_on:
        _require_fields(call.transaction.children(group.arn, FILTER), fields, group)
    used = dict.fromkeys(datasets[dataset].arn for dataset, _ in fields)
    return Draft(
        arn,
        request["name"],
        {"datasetGroupArn": group.arn, "filterExpression": request["filterExpression"]},
        private={"fields": [list(field) for field in fields]},
        parents=(group.arn, *used),
        tags=first_tags,
    )


def read(expression: str, datasets: Mapping[str, Resource], store: Store) -> tree.Filter:
    """Return an expression that is held against the schemas which a group's datasets have now.

    Args:
        expression: of a filter, as it was given.
        datasets: of the group, by type.
        store: the metadata database.

    Raises:
        ApiError: ``InvalidInputException``: it does not fit them.
        JobFailed: a dataset was deleted meanwhile.
    """
    schemas = {name: schema_of(dataset, store) for name, dataset in datasets.items()}
    return check.check(parse.parse(expression), schemas, maximum_fields=None)


def _require_fields(others: Iterable[Resource], fields: Iterable[tuple[str, str]], group: Resource) -> None:
    """Refuse a filter with which the group's filters would use too many columns.

    Raises:
        ApiError: ``LimitExceededException``.
    """
    used = set(fields)
    for other in others:
        if other.status in COUNTED:
            used |= {(dataset, name) for dataset, name in other.private["fields"]}
    if len(used) > MAX_FIELDS:
        raise limit_exceeded(
            f"Cannot create a filter. The filters of {group.arn} would use {len(used)} distinct fields, "
            f"{MAX_FIELDS} are allowed. Please delete some and try again."
        )
