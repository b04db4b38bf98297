"""Batch jobs: which versions answer files of questions, from where and to where.

Sources: the developer guide's "Creating a batch inference job", "Filtering batch recommendations", "Batch
recommendations with themes" and "Amazon Personalize endpoints and quotas", and the service model.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sartor.errors import JobFailed, invalid_input, limit_exceeded
from sartor.filters import parse, tree
from sartor.recipes import BY_ARN, Recipe
from sartor.resources import campaigns, groups, looks, tags
from sartor.resources.call import Call, Draft, Request, require_active
from sartor.resources.kind_names import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    DATASET_GROUP,
    FILTER,
    SOLUTION_VERSION,
)
from sartor.resources.kinds import UNFINISHED
from sartor.resources.store import Resource

if TYPE_CHECKING:
    from sartor.data.sources import AccountSources, SourceFile, Sources

#: Amazon's quotas for one account in one region: jobs of a kind at once; and of one job: files and their bytes.
MAX_JOBS_AT_ONCE: Final = 5
MAX_FILES: Final = 1000
MAX_BYTES: Final = 1_000_000_000
DEFAULT_RESULTS: Final = 25
MAX_RESULTS: Final = 500
#: The most users of one segment.
MAX_SEGMENT: Final = 5_000_000
ANSWERS, THEMES = "BATCH_INFERENCE", "THEME_GENERATION"
#: The most lines of one file, by mode.
MAX_LINES: Final[Mapping[str, int]] = {ANSWERS: 50_000_000, THEMES: 100}
_NO_INPUT: Final = "Invalid S3 input path."
_NO_OUTPUT: Final = "Invalid S3 output path."


class Place(NamedTuple):
    """Where a job's files are.

    Attributes:
        input: the location of a file, or what the locations of several begin with.
        output: the folder of the answers, with its slash.
    """

    input: str
    output: str


def place_of(body: Mapping[str, Any]) -> Place:
    """Return where the files of a batch job are, by its request or its body."""
    given = str(body["jobInput"]["s3DataSource"]["path"])
    _, _, rest = given.partition("://")
    folder = str(body["jobOutput"]["s3DataDestination"]["path"]).rstrip("/")
    return Place(given if "/" in rest else f"{given}/", f"{folder}/")


def list_input(sources: "AccountSources", place: Place, quotas_on: bool) -> "Sequence[SourceFile]":
    """Return the files that a batch job answers, in the order of their keys; what it wrote itself is none.

    Raises:
        JobFailed: there is none, they may not be read, or they are more or larger than Amazon allows.
    """
    found = sources.list_prefix(place.input, _NO_INPUT)
    if place.output.startswith(place.input):
        found = [file for file in found if not file.uri.startswith(place.output)]
    if not found:
        raise JobFailed(_NO_INPUT)
    total = sum(file.size_bytes for file in found)
    if quotas_on and len(found) > MAX_FILES:
        raise JobFailed(f"The input has {len(found):,} files; {MAX_FILES:,} are allowed.")
    if quotas_on and total > MAX_BYTES:
        raise JobFailed(f"The input has {total:,} bytes; {MAX_BYTES:,} are allowed.")
    return found


def output_of(place: Place, file: "SourceFile") -> str:
    """Return the location of a file's answers but for its ending: its key below the input's folder, in the output's."""
    return place.output + file.uri.removeprefix(place.input[: place.input.rfind("/") + 1])


def create_batch_inference_job(call: Call, request: Request) -> Draft:
    """Allow CreateBatchInferenceJob as far as the database knows; its files are the draft's slow check."""
    version = call.find(request["solutionVersionArn"], SOLUTION_VERSION)
    require_active(version)
    recipe = BY_ARN[version.body["recipeArn"]]
    if recipe.serving is None or not recipe.serving.in_batch:
        raise invalid_input(f"Batch inference is not supported by recipe {recipe.name}.")
    config = request.get("batchInferenceJobConfig", {})
    campaigns.require_known(recipe, config)
    mode = request.get("batchInferenceJobMode", ANSWERS)
    _require_themes(call, request, version, recipe, mode)
    results = request.get("numResults", DEFAULT_RESULTS)
    if not 1 <= results <= MAX_RESULTS:
        raise invalid_input(f"numResults must be from 1 to {MAX_RESULTS}, not {results}.")
    more: dict[str, Any] = {"numResults": results, "batchInferenceJobMode": mode}
    more |= {
        name: request[name]
        for name in ("batchInferenceJobConfig", "themeGenerationConfig")
        if name in request
    }
    return _draft(call, request, BATCH_INFERENCE_JOB, version, recipe, more)


def create_batch_segment_job(call: Call, request: Request) -> Draft:
    """Allow CreateBatchSegmentJob as far as the database knows; its files are the draft's slow check."""
    version = call.find(request["solutionVersionArn"], SOLUTION_VERSION)
    require_active(version)
    recipe = BY_ARN[version.body["recipeArn"]]
    if recipe.segmenting is None:
        raise invalid_input(f"Batch segment jobs are not supported by recipe {recipe.name}.")
    results = request.get("numResults", DEFAULT_RESULTS)
    if not 1 <= results <= MAX_SEGMENT:
        raise invalid_input(f"numResults must be from 1 to {MAX_SEGMENT:,}, not {results}.")
    return _draft(call, request, BATCH_SEGMENT_JOB, version, recipe, {"numResults": results})


def _draft(
    call: Call, request: Request, kind: str, version: Resource, recipe: Recipe, more: Mapping[str, Any]
) -> Draft:
    """Allow a batch job by what all have in common.

    Args:
        call: of who asks.
        request: as it came.
        kind: of the job.
        version: active, of a recipe that the job may ask.
        recipe: that one.
        more: members of the body that only this kind has.
    """
    held = [version.arn, version.body["solutionArn"], version.body["datasetGroupArn"]]
    if "filterArn" in request:
        held.append(_filter(call, request["filterArn"], version, recipe).arn)
    place = place_of(request)
    if place.input.rstrip("/") == place.output.rstrip("/"):
        raise invalid_input(f"{_NO_OUTPUT} It must be another than the input path.")
    arn = call.free_arn(kind, name=request["jobName"])
    first_tags = tags.checked(request.get("tags"))
    if call.quotas_on and call.count(kind, UNFINISHED) >= MAX_JOBS_AT_ONCE:
        raise limit_exceeded(f"More than {MAX_JOBS_AT_ONCE} resources with PENDING or IN_PROGRESS status.")
    members = ("solutionVersionArn", "filterArn", "jobInput", "jobOutput", "roleArn")
    group = call.find(version.body["datasetGroupArn"], DATASET_GROUP)
    datasets = call.transaction.datasets(group.arn, recipe.learns_from)
    return Draft(
        arn,
        request["jobName"],
        {**{name: request[name] for name in members if name in request}, **more},
        parents=(*held, *(dataset.arn for dataset in datasets.values())),
        tags=first_tags,
        slow_check=partial(_look, call.account, place, request["roleArn"], call.quotas_on),
    )


def _filter(call: Call, arn: str, version: Resource, recipe: Recipe) -> Resource:
    """Return the filter of a job.

    Raises:
        ApiError: ``ResourceNotFoundException``, ``ResourceInUseException`` if it is not active, or
            ``InvalidInputException`` if it is another group's or for other questions.
    """
    found = call.find(arn, FILTER)
    require_active(found)
    if found.body["datasetGroupArn"] != version.body["datasetGroupArn"]:
        raise invalid_input(f"Filter {arn} belongs to another dataset group than the solution version.")
    parsed = parse.parse(found.body["filterExpression"])
    wanted = "ItemID" if recipe.segmenting is None else "UserID"
    if tree.target(parsed) != wanted:
        raise invalid_input(
            f"Filter {arn} is about {tree.target(parsed)}; recipe {recipe.name} needs {wanted}."
        )
    if recipe.segmenting is not None and not recipe.segmenting.by_history and tree.uses_history(parsed):
        raise invalid_input(
            f"Filter {arn} uses Interactions; recipe {recipe.name} takes filters on Users alone."
        )
    if tree.uses_current_item(parsed) and recipe.type != "RELATED_ITEMS":
        raise invalid_input(f"Filter {arn} uses CurrentItem, which only recipes for related items have.")
    return found


def _require_themes(call: Call, request: Request, version: Resource, recipe: Recipe, mode: str) -> None:
    """Refuse a configuration of themes without their mode, or themes that cannot be made.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    config = request.get("themeGenerationConfig")
    if mode != THEMES:
        if config is not None:
            raise invalid_input(f"themeGenerationConfig needs batchInferenceJobMode {THEMES}.")
        return
    if "themes" not in recipe.features:
        raise invalid_input(f"batchInferenceJobMode {THEMES} is not supported by recipe {recipe.name}.")
    if config is None:
        raise invalid_input(f"batchInferenceJobMode {THEMES} needs themeGenerationConfig.")
    group = call.find(version.body["datasetGroupArn"], DATASET_GROUP)
    datasets = call.transaction.datasets(group.arn, ("ITEMS",))
    items = groups.schemas_of(call.transaction, datasets).get("ITEMS")
    if items is None or not any(field.textual for field in items.fields):
        raise invalid_input(
            f"Themes need an Items dataset with a textual field in dataset group {group.arn}."
        )
    name = config["fieldsForThemeGeneration"]["itemName"]
    field = next((one for one in items.fields if one.name == name), None)
    if field is None or field.type != "string" or name == "ITEM_ID":
        raise invalid_input(f"itemName must be a string field of the Items dataset, not {name}.")


def _look(account: str, place: Place, role_arn: str, quotas_on: bool, sources: "Sources") -> None:
    """Refuse a job whose files cannot be reached or written, as far as that is seen while the caller waits.

    Raises:
        JobFailed: so it is.
    """
    reached = sources.of(account, role_arn)
    reached.require_writable(place.output, _NO_OUTPUT)
    pool = ThreadPoolExecutor(1)
    try:
        pool.submit(list_input, reached, place, quotas_on).result(looks.LOOK_SECONDS)
    except TimeoutError:
        return
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
