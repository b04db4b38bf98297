"""The batch inference job: what GetRecommendations answers, for files of questions."""

from threadpoolctl import threadpool_limits

from sartor.errors import ApiError, JobFailed
from sartor.realtime.bulk import Bulk
from sartor.realtime.deployments import Deployment
from sartor.realtime.filtering import Filters
from sartor.realtime.themes import ThemedItems
from sartor.realtime.trained import as_it_is
from sartor.realtime.version import Version, load
from sartor.resources import batch_jobs
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.records import schema_of
from sartor.resources.store import Resource
from sartor.wire.sign import Caller
from sartor.work.batch_files import Answers, answer_files
from sartor.work.tools import Tools


def run(task: Task, tools: Tools) -> Outcome:
    """Answer the job's files with its solution version.

    Raises:
        JobFailed: the version is gone, a file cannot be read or has too many lines, or an answer cannot be written.
    """
    tools.progress({"phase": "loading"})
    with threadpool_limits(1, user_api="blas"):  # blocks are answered beside each other instead
        answer_files(task, tools, answers_of(task.resource, tools))
    return Outcome()


def answers_of(job: Resource, tools: Tools) -> Answers:
    """Return what a job says to lines.

    Raises:
        JobFailed: the version is gone, or the items whose themes are wanted.
    """
    body, version = job.body, loaded(job, tools)
    bulk = Bulk(
        Deployment(job.arn, "Batch inference job", version, body.get("batchInferenceJobConfig", {})),
        Caller(job.account, job.region, ""),
        Filters(tools.store),
        body.get("filterArn"),
        int(body["numResults"]),
        _themes(job, version, tools),
    )
    most = batch_jobs.MAX_LINES[body["batchInferenceJobMode"]] if tools.quotas_on else None
    return Answers(bulk.answer, bulk.block_lines, tools.threads, most, answers_of)


def loaded(job: Resource, tools: Tools) -> Version:
    """Return the solution version of a batch job, ready to answer from the data as it is now.

    Raises:
        JobFailed: it is gone.
    """
    arn = job.body["solutionVersionArn"]
    try:
        found = as_it_is(tools.store, arn, lambda trained: load(trained, tools))
    except ApiError as error:
        raise JobFailed(error.message) from error
    if found is None:
        raise JobFailed(f"Solution version {arn} no longer exists.")
    _, version = found
    for one in version.followers:
        one.look()
    return version


def _themes(job: Resource, version: Version, tools: Tools) -> ThemedItems | None:
    """Return what says the themes of a job's answers, out of the items' names and texts.

    Raises:
        JobFailed: there are no items any more.
    """
    if job.body["batchInferenceJobMode"] != batch_jobs.THEMES:
        return None
    items = tools.store.datasets(version.trained.group).get("ITEMS")
    if items is None:
        raise JobFailed(f"Dataset group {version.trained.group} has no Items dataset any more.")
    name = job.body["themeGenerationConfig"]["fieldsForThemeGeneration"]["itemName"]
    texts = [field.name for field in schema_of(items, tools.store).fields if field.textual]
    return ThemedItems(version, [name, *texts])
