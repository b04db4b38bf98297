"""What is particular about metric attributions: their metrics, which only the datasets' schemas make sense of."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from sartor.data import attribution
from sartor.data.attribution import Metric, metric_key
from sartor.errors import ApiError, already_exists, invalid_input
from sartor.resources import groups, looks, paging
from sartor.resources.call import Call, Draft, Request, require_active
from sartor.resources.kind_names import DATASET_GROUP, METRIC_ATTRIBUTION
from sartor.resources.store import Resource, Transaction

#: The types of the datasets that a metric can look at.
_DATASET_TYPES: Final = ("INTERACTIONS", "ITEMS")


def create_metric_attribution(call: Call, request: Request) -> Draft:
    """Allow CreateMetricAttribution: one a group, with metrics that the group's datasets can give."""
    group = call.find(request["datasetGroupArn"], DATASET_GROUP)
    require_active(group)
    arn = call.free_arn(METRIC_ATTRIBUTION, name=request["name"])
    other = call.transaction.child(group.arn, METRIC_ATTRIBUTION)
    if other is not None:
        raise already_exists(other.arn)
    metrics = request["metrics"]
    datasets = call.transaction.datasets(group.arn, _DATASET_TYPES)
    measured = _measured(call.transaction, datasets, metrics)
    output = request["metricsOutputConfig"]
    path = output.get("s3DataDestination", {}).get("path")
    return Draft(
        arn,
        request["name"],
        {"datasetGroupArn": group.arn, "metricsOutputConfig": output},
        {"metrics": metrics},
        parents=(group.arn, *measured),
        slow_check=None
        if path is None
        else partial(looks.look_at_folder, call.account, path, output.get("roleArn")),
    )


def update_metric_attribution(call: Call, request: Request) -> dict[str, Any]:
    """Answer UpdateMetricAttribution: metrics are removed first, so one call can give a name a new meaning.

    Args:
        call: in a transaction that writes.
        request: ``metricAttributionArn`` and any of ``addMetrics``, ``removeMetrics``, ``metricsOutputConfig``.

    Raises:
        ApiError: ``ResourceInUseException`` when it is not active, ``ResourceAlreadyExistsException`` when it
            has one of the added metrics, ``InvalidInputException`` when it lacks one of the removed ones.
    """
    found = call.find(_arn(request), METRIC_ATTRIBUTION)
    require_active(found)
    metrics = found.private["metrics"]
    if request.get("addMetrics") or request.get("removeMetrics"):
        added = request.get("addMetrics", [])
        metrics = _with(_without(metrics, request.get("removeMetrics", []), found.arn), added, found.arn)
        group = call.find(found.body["datasetGroupArn"], DATASET_GROUP)
        datasets = call.transaction.datasets(group.arn, _DATASET_TYPES)
        measured = _measured(call.transaction, datasets, metrics)
        call.transaction.set_parents(found.arn, (group.arn, *measured))
    output = request.get("metricsOutputConfig", found.body["metricsOutputConfig"])
    call.transaction.replace_body(
        found.arn,
        {**found.body, "metricsOutputConfig": output},
        {**found.private, "metrics": metrics},
        call.now,
    )
    return {"metricAttributionArn": found.arn}


def list_metric_attribution_metrics(call: Call, request: Request) -> dict[str, Any]:
    """Answer ListMetricAttributionMetrics: a page of the metrics, sorted by name.

    Args:
        call: in any transaction.
        request: ``metricAttributionArn``, ``maxResults``, ``nextToken``.

    Raises:
        ApiError: ``InvalidInputException`` for what is not there, as the model lets it not be not found;
            ``InvalidNextTokenException`` for another list's token.
    """
    try:
        found = call.find(_arn(request), METRIC_ATTRIBUTION)
    except ApiError as error:
        raise invalid_input(error.message) from error
    query = ("ListMetricAttributionMetrics", call.account, call.region, found.arn)
    token = request.get("nextToken")
    after = paging.unseal(call.secret, query, token)[0] if token else ""
    limit = request.get("maxResults") or paging.DEFAULT_RESULTS
    in_order = sorted(found.private["metrics"], key=_key)
    left = [metric for metric in in_order if _key(metric) > after]
    answer: dict[str, Any] = {"metrics": left[:limit]}
    if len(left) > limit:
        answer["nextToken"] = paging.seal(call.secret, query, [_key(left[limit - 1])])
    return answer


def metrics_of(resource: Resource, transaction: Transaction) -> list[Metric]:
    """Return the metrics of an attribution, under the schemas that the datasets have now.

    Raises:
        ApiError: ``InvalidInputException`` when a dataset or one of the columns is not there any more.
    """
    datasets = transaction.datasets(resource.body["datasetGroupArn"], _DATASET_TYPES)
    return attribution.parse(resource.private["metrics"], groups.schemas_of(transaction, datasets))


def _arn(request: Request) -> str:
    """Return the ARN in a request whose model does not require one."""
    arn: str | None = request.get("metricAttributionArn")
    if arn is None:
        raise invalid_input("metricAttributionArn is required.")
    return arn


def _key(metric: Mapping[str, str]) -> str:
    return metric_key(metric["metricName"])


def _measured(
    transaction: Transaction, datasets: Mapping[str, Resource], metrics: Sequence[Mapping[str, str]]
) -> list[str]:
    """Return the ARNs of the datasets that metrics look at; they must stay as long as the metrics do.

    Raises:
        ApiError: ``InvalidInputException`` when the datasets cannot give a metric, ``ResourceInUseException``
            when one of them is not active.
    """
    parsed = attribution.parse(metrics, groups.schemas_of(transaction, datasets))
    types = {"INTERACTIONS"} | {metric.dataset_type for metric in parsed if metric.dataset_type is not None}
    used = [dataset for name, dataset in datasets.items() if name in types]
    for dataset in used:
        require_active(dataset)
    return [dataset.arn for dataset in used]


def _without(metrics: Sequence[Mapping[str, str]], names: Sequence[str], arn: str) -> list[Mapping[str, str]]:
    """Return the metrics without those of these names."""
    known = {_key(metric) for metric in metrics}
    unknown = [name for name in names if metric_key(name) not in known]
    if unknown:
        raise invalid_input(f"Metric attribution {arn} has no metric {', '.join(unknown)}.")
    removed = {metric_key(name) for name in names}
    return [metric for metric in metrics if _key(metric) not in removed]


def _with(
    metrics: Sequence[Mapping[str, str]], added: Sequence[Mapping[str, str]], arn: str
) -> list[Mapping[str, str]]:
    """Return the metrics with new ones."""
    known = {_key(metric) for metric in metrics}
    taken = [metric["metricName"] for metric in added if _key(metric) in known]
    if taken:
        raise ApiError(
            "ResourceAlreadyExistsException",
            f"Metric attribution {arn} already has a metric {', '.join(taken)}.",
        )
    return [*metrics, *added]
