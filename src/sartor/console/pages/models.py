"""Models: solution versions and recommenders side by side; one of them with all that is known of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from sartor.console.pages import charts, tables
from sartor.console.pages.jobs import JOB_PATH, described
from sartor.console.pages.page import Action, Done, Page, Shown, Visit, link
from sartor.errors import not_found
from sartor.resources.kind_names import RECOMMENDER, SOLUTION_VERSION
from sartor.resources.kinds import UNFINISHED, kind_of

PATH: Final = "/console/models"
MODEL_PATH: Final = "/console/models/model"
COMPARE_PATH: Final = "/console/models/compare"
#: The path of our own that tells of a training, by kind.
TRAININGS: Final[Mapping[str, str]] = {SOLUTION_VERSION: "solution-versions", RECOMMENDER: "recommenders"}
#: What a training calls the model that it made, among those that it compares.
OWN: Final = "version"
#: The titles of examinations, by the split.
SPLITS: Final = {
    "users": "By users: their newest interactions, of which the model knew the older ones alone",
    "time": "By time: what came after a moment, by a model that knew only what came before",
    "age": "By age: each user's newest interactions, of which the model knew the older ones",
    "nothing": "Of the items alone: no interaction is foretold",
}
_COLUMNS: Final = (
    tables.Column("name", "Name"),
    tables.Column("recipe", "Recipe"),
    tables.Column("status", "Status"),
    tables.Column("createdAt", "Made"),
    tables.Column("value", "How good"),
    tables.Column("popularity", "Popularity", end=True),
    tables.Column("item-knn", "Item-kNN", end=True),
    tables.Column("above", "Surely above"),
)
#: So many campaigns of a solution are looked at.
_CAMPAIGNS: Final = 10


def _show(visit: Visit) -> Shown:
    words: dict[str, Any] = {}
    if visit.part in ("", "running"):
        work = visit.asks.get("status")["work"]
        words["work"] = [
            {**described(one), "losses": losses(one["progress"].get("losses"))}
            for one in work
            if one["kind"] in TRAININGS
        ]
    if not visit.part:
        found = visit.asks.get(
            "models",
            limit=tables.PAGE_ROWS,
            search=visit.query.get("search") or None,
            after=visit.query.get("after") or None,
        )
        models = found["models"]
        words |= {"table": _table(visit, found), "newest": newest_pairs(models), "models": models}
    return Shown("models.html", words)


def _table(visit: Visit, found: Mapping[str, Any]) -> tables.Table:
    """Return the page of models that the address asks for; the server gives them newest first."""
    searched = visit.query.get("search", "")
    tops: dict[str, float] = {}
    for one in found["models"]:
        if "metric" in one:
            tops[one["metric"]] = max(
                tops.get(one["metric"], 0.0), one["high"], *map(float, one["others"].values())
            )
    rows = [
        {
            **one,
            "recipe": one.get("recipeArn", "").rpartition("/")[2],
            "picture": None if "metric" not in one else _picture(one, tops[one["metric"]]),
            "called": metric_name(one.get("metric", "")),
        }
        for one in found["models"]
    ]
    return tables.Table(
        "What was trained, newest first",
        _COLUMNS,
        rows,
        f"Nothing has “{searched}”."
        if searched
        else "No model is trained yet: make a solution, and train it.",
        search=searched,
        before=visit.link(after=None) if visit.query.get("after") else "",
        after=visit.link(after=found["next"]) if "next" in found else "",
    )


def _picture(model: Mapping[str, Any], top: float) -> Markup:
    """Return the interval of a model's deciding metric, beside the baselines."""
    title = metric_name(model["metric"])
    return charts.interval(
        title, model["value"], model["low"], model["high"], list(model["others"].items()), top
    )


def newest_pairs(models: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the ARNs of the newest trained version of each solution and of the one before it.

    Args:
        models: as ``/sartor/v1/models`` has them, newest first.
    """
    of_solution: dict[str, list[str]] = {}
    for one in models:
        if one.get("status") == "ACTIVE" and "solutionArn" in one:
            of_solution.setdefault(one["solutionArn"], []).append(one["arn"])
    return [(arns[0], arns[1]) for arns in of_solution.values() if len(arns) > 1]


def losses(found: Sequence[tuple[float, float]] | None) -> Markup | None:
    """Return the curve of a training's losses; nothing without two of them.

    Args:
        found: the epochs that were gone through and the loss then, in order.
    """
    if not found or len(found) < 2:
        return None
    epochs = [f"{epoch:.1f}" for epoch, _ in found]
    return charts.lines("Loss by epoch", epochs, [charts.Series("loss", [loss for _, loss in found])])


def _show_model(visit: Visit) -> Shown:
    arn = visit.wanted("arn")
    kind = kind_of(arn, visit.caller.region, visit.caller.account)
    if kind is None or kind.name not in TRAININGS:
        raise not_found(arn)
    body = visit.asks.call(f"Describe{kind.noun}", **{kind.arn_member: arn})[kind.member]
    training = visit.asks.get(TRAININGS[kind.name], arn)
    status = training["status"]
    is_version = kind.name == SOLUTION_VERSION
    progress = training.get("progress") or {}
    record = training.get("record") or {}
    words: dict[str, Any] = {
        "arn": arn,
        "kind": kind.name,
        "name": name_of(arn),
        "status": status,
        "body": body,
        "training": training,
        "record": record,
        "verifying": None,
        "runs": status in UNFINISHED,
        "job": link(JOB_PATH, arn=arn),
        "losses": losses(progress.get("losses") or record.get("losses")),
        "work": described(_work(arn, kind.name, progress)) if status in UNFINISHED else None,
        "examinations": [examined(one) for one in training.get("evaluation", ())],
        "facts": facts(record),
        "tables": _tables(visit, body["datasetGroupArn"], record) if record else [],
        "campaigns": _campaigns(visit, body["solutionArn"]) if is_version and status == "ACTIVE" else [],
        "others": _others(visit, arn, body) if status == "ACTIVE" else [],
    }
    if "verifying" in training:
        work = _work(arn, kind.name, training["verifying"])
        words["verifying"] = described({**work, "verb": "verify"})
    words["verify"] = visit.asks.same_own(TRAININGS[kind.name], arn, "verify", members={})
    words["moved"] = any(one.get("now") != one["then"] for one in words["tables"])
    if is_version:
        words["deploy"] = visit.asks.same("CreateCampaign", name="NAME", solutionVersionArn=arn)
        words["serve"] = [
            visit.asks.same("UpdateCampaign", campaignArn=one["campaignArn"], solutionVersionArn=arn)
            for one in words["campaigns"]
            if one["solutionVersionArn"] != arn
        ]
        words["retrain"] = visit.asks.same(
            "CreateSolutionVersion", solutionArn=body["solutionArn"], trainingMode="FULL"
        )
    return Shown("model.html", words)


def _work(arn: str, kind: str, progress: Mapping[str, Any]) -> dict[str, Any]:
    """Return a training as the page draws work."""
    of = {"arn": arn, "kind": kind, "name": name_of(arn), "lane": "training", "attempt": 1}
    return {**of, "verb": "train", "state": "running" if progress else "waiting", "progress": progress}


def metric_name(metric: str) -> str:
    """Return a metric's name as people read it."""
    return metric.replace("normalized_discounted_cumulative_gain", "NDCG").replace("_", " ")


def name_of(arn: str) -> str:
    """Return what people call a version or a recommender: the end of its ARN."""
    return arn.rpartition(":")[2].partition("/")[2]


def examined(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return an examination as the page shows it: each metric with its interval, beside those of the baselines."""
    own, *others = next(iter(one["metrics"].values()))
    rows = []
    for metric, of in one["metrics"].items():
        top = max(of[own]["high"], *(of[name]["value"] for name in others), 0.0)
        differences = one["differences"].get(metric, {})
        marks = [(name, of[name]["value"]) for name in others]
        title = metric_name(metric)
        rows.append(
            {
                "metric": title,
                **of[own],
                "picture": charts.interval(
                    title, of[own]["value"], of[own]["low"], of[own]["high"], marks, top
                ),
                "others": [value for _, value in marks],
                "above": [name for name in others if name in differences and differences[name]["low"] > 0],
                "decides": metric == one["decides"],
            }
        )
    return {
        "split": one["split"],
        "title": SPLITS.get(one["split"], one["split"]),
        "asked": one["asked"],
        "unit": one["unit"],
        "model": one["model"],
        "stands_in": one["standsIn"],
        "others": others,
        "rows": sorted(rows, key=lambda row: not row["decides"]),
    }


def facts(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what made a model, in words."""
    if not record:
        return {}
    parameters = ", ".join(f"{name} {value}" for name, value in record["parameters"].items())
    libraries = ", ".join(f"{name} {version}" for name, version in record["libraries"].items())
    found = {
        "Recipe": record["recipe"],
        "Model": record["model"],
        "Hyperparameters": parameters,
        "Event type": record.get("eventType"),
        "Learned from": f"{record['interactions']:,} interactions of {record['users']:,} users "
        f"and {record['items']:,} items",
        "Seed, threads": f"{record['seed']}, {record['threads']}",
        "Made with": f"Sartor {record['sartor']}, {libraries}",
    }
    return {name: str(value) for name, value in found.items() if value}


def _tables(visit: Visit, group: str, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return which version of each dataset was learned from, and which there is now."""
    listed = visit.asks.call("ListDatasets", datasetGroupArn=group, maxResults=100)["datasets"]
    datasets = {one["datasetType"].upper(): one["datasetArn"] for one in listed}
    rows = []
    for name, state in record["tables"].items():
        row: dict[str, Any] = {"name": name.replace("_", " ").capitalize(), "then": state["bulkVersion"]}
        if name in datasets:
            history = visit.asks.get("datasets", datasets[name], "history", limit=1)["versions"]
            row |= {"arn": datasets[name], "now": history[0]["version"] if history else -1}
        rows.append(row)
    return rows


def _campaigns(visit: Visit, solution: str) -> list[dict[str, Any]]:
    """Return the campaigns of a solution, with what each serves."""
    listed = visit.asks.call("ListCampaigns", solutionArn=solution, maxResults=_CAMPAIGNS)["campaigns"]
    return [visit.asks.call("DescribeCampaign", campaignArn=one["campaignArn"])["campaign"] for one in listed]


def _others(visit: Visit, arn: str, body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what else of the group is trained, for a comparison."""
    group = body["datasetGroupArn"]
    return [
        (one["arn"], f"{name_of(one['arn'])} ({one.get('recipeArn', '').rpartition('/')[2]})")
        for one in visit.asks.get("models", limit=100)["models"]
        if one["arn"] != arn and one.get("datasetGroupArn") == group and one.get("status") == "ACTIVE"
    ]


def _retrain(visit: Visit) -> Done:
    made = visit.asks.call(
        "CreateSolutionVersion", solutionArn=visit.form.get("solution", ""), trainingMode="FULL"
    )
    return Done(link(MODEL_PATH, arn=made["solutionVersionArn"]), "It trains: this page follows it.")


def _verify(visit: Visit) -> Done:
    arn = visit.wanted("arn")
    force = True if visit.form.get("force") else None
    kind = kind_of(arn, visit.caller.region, visit.caller.account)
    visit.asks.post(TRAININGS[kind.name if kind else SOLUTION_VERSION], arn, "verify", force=force)
    return Done(link(MODEL_PATH, arn=arn), "It is trained again and compared: this page follows it.")


def _serve(visit: Visit) -> Done:
    arn = visit.wanted("arn")
    visit.asks.call("UpdateCampaign", campaignArn=visit.form.get("campaign", ""), solutionVersionArn=arn)
    return Done(
        link(MODEL_PATH, arn=arn),
        "The campaign goes over to it; who asks meanwhile is answered by the old one.",
    )


def _deploy(visit: Visit) -> Done:
    arn = visit.wanted("arn")
    made = visit.asks.call("CreateCampaign", name=visit.form.get("name", ""), solutionVersionArn=arn)
    return Done(link("/console/try", arn=made["campaignArn"]), "The campaign is being made.")


PAGES: Final = (
    Page(PATH, "Models", "Models", _show),
    Page(
        MODEL_PATH,
        "Model",
        "Models",
        _show_model,
        {
            "verify": Action(_verify),
            "retrain": Action(_retrain),
            "serve": Action(_serve),
            "deploy": Action(_deploy),
        },
    ),
)
