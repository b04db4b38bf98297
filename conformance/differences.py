"""Every known difference from Amazon Personalize, and why it is there: one table, from which the page is written."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Difference:
    """Something that a program could notice.

    Attributes:
        what: it is about.
        amazon: what Amazon does, as far as it is known.
        sartor: what Sartor does.
        why: it does.
    """

    what: str
    amazon: str
    sartor: str
    why: str


_NO_CLOUD: Final = "There is no such service here to ask."
_UNKNOWN: Final = "Amazon documents nothing; this surprises least."

CALLS: Final = (
    Difference(
        "texts of errors",
        "some two dozen texts are public",
        "those, word by word; all others in the same style",
        "Programs look at codes. A text of ours says what is wrong, where, and what to do.",
    ),
    Difference(
        "errors that an operation does not declare",
        "not known; PutEvents and some lists declare next to nothing",
        "`InvalidInputException` with the same words",
        "Clients catch what the model lists.",
    ),
    Difference(
        "a call behind a call that creates",
        "mostly works; else `ResourceInUseException` or not found",
        "waits up to two seconds for what is being created",
        "Amazon's own notebooks make such calls without a wait.",
    ),
    Difference(
        "policies of IAM, `iam:PassRole`",
        "decide who may call what, with which role",
        "a key is its account's, and may do everything there; a `roleArn` is checked for its form",
        _NO_CLOUD,
    ),
    Difference(
        "roles and bucket policies",
        "give access to S3",
        "a role of `sartor.toml` has credentials of its own; without one the server's are used",
        _NO_CLOUD,
    ),
    Difference(
        "`kmsKeyArn`",
        "encrypts data and results",
        "is kept and shown, and encrypts nothing: encrypt the disk or the bucket",
        _NO_CLOUD,
    ),
    Difference(
        "request rates",
        "2,500 a second of recommendations for an account, 500 for a campaign",
        "as many as the machine answers; Amazon's rates of records are kept, for each API process",
        "A rate that protects a shared service protects nobody here.",
    ),
    Difference(
        "`minProvisionedTPS`, `minRecommendationRequestsPerSecond`",
        "are provisioned, and billed",
        "are kept and shown",
        "Nothing is provisioned or billed.",
    ),
    Difference(
        "how long things take",
        "a quarter of an hour for an import, more for a training",
        "seconds, and every status is passed through",
        "Programs that wait for a status work as they are.",
    ),
    Difference(
        "order of lists",
        "documented for data deletion jobs alone: newest first",
        "newest first; recipes and metrics by name; a page has up to 100 entries",
        _UNKNOWN,
    ),
)

DATA: Final = (
    Difference(
        "order of columns in a file",
        "that of the schema, says the guide; its notebooks do otherwise and worked",
        "any order and any letter case, columns beside the schema are ignored",
        "What Amazon's notebooks import must import.",
    ),
    Difference(
        "quotes in a quoted cell",
        "a backslash before them, says the guide; doubled quotes worked too",
        "both",
        "pandas writes the one, the guide the other.",
    ),
    Difference(
        "cells that are no number",
        "a recorded import with some of them in a column without null ended ACTIVE",
        "become null, each a warning, up to 1 % of a column; more fail the job; `--bad-cells 0` is strict",
        "It is what is recorded, and nothing is lost in silence.",
    ),
    Difference(
        "times",
        "seconds; milliseconds are taken without a word",
        "seconds, or milliseconds with a warning; fractions are cut; not negative, up to the year 9999",
        "Published programs write milliseconds and fractions.",
    ),
    Difference(
        "broken rows",
        "fail the job with one reason",
        "fail the job, with a report of every rule, row and value",
        "The report lies beside Amazon's answer and changes nothing of it.",
    ),
    Difference(
        "formats",
        "CSV",
        "CSV, `.csv.gz`, `.csv.zst`, Parquet",
        "They are at hand and cost nothing.",
    ),
    Difference(
        "imports of one dataset at once",
        "not known",
        "one; the next one is in use",
        "Two FULL imports have no order.",
    ),
    Difference(
        "`EVENT_INTERACTIONS`",
        "is in ListDatasets",
        "can be described and deleted by its ARN, and is in no list",
        "Amazon's clean-up works either way, and one store has no two truths.",
    ),
    Difference(
        "what cannot be used of an event",
        "is dropped in silence",
        "is dropped, and listed with its reason under `/sartor/v1/events/rejected`",
        "Nobody should search for a lost event.",
    ),
    Difference(
        "names of exported files",
        "not documented",
        "`PATH/JOB/part-MARK-ATTEMPT-0000.csv`",
        "An export never replaces what it did not write.",
    ),
    Difference(
        "deleted users in models",
        "until the next full training",
        "no answer is made from them once the job is COMPLETED; weights that were learned from all users stay",
        "A deletion should not wait for a training.",
    ),
    Difference(
        "`numDeleted`",
        "records, users or rows: not documented",
        "the users that existed",
        _UNKNOWN,
    ),
    Difference(
        "figures of metric attributions",
        "go to CloudWatch",
        "go to `/metrics` as `sartor_attributed_total`",
        _NO_CLOUD,
    ),
    Difference(
        "`RECOMMENDATION_ID` in files",
        "brings the items that were shown",
        "counts for metric attributions; the items that were shown stand in `IMPRESSION`",
        "An answer is remembered for events that follow it, not for files.",
    ),
    Difference(
        "data of segments",
        "FULL imports alone",
        "everything that was imported and put",
        "There is no reason to leave data out.",
    ),
    Difference(
        "changed items in filters",
        "within 15 to 20 minutes",
        "with the next request",
        "There is no reason to wait.",
    ),
)

TRAININGS: Final = (
    Difference(
        "models",
        "not public",
        "Sartor's own, of the same sorts; see [models](../explain/models.md)",
        "Scores and metrics can be compared within Sartor, not with Amazon's.",
    ),
    Difference(
        "hyperparameters",
        "each means something to its model",
        "names, types, ranges and defaults are Amazon's; some change nothing, which "
        "[recipes](recipes.md) says of each",
        "Other models have other parameters.",
    ),
    Difference(
        "percentile filters",
        "their defaults leave out the longest histories, and for SIMS the most popular tenth of the items",
        "apply only if a solution sets them",
        "The defaults cost half of the quality on MovieLens-1M.",
    ),
    Difference(
        "the model that serves",
        "is the one that was measured",
        "is fitted again on everything, but for the sequence model",
        "It costs a second and knows a tenth more users.",
    ),
    Difference(
        "`performAutoML`",
        "chooses among legacy recipes; what its `metricName` can be is not documented",
        "chooses from `recipeList` by a metric of GetSolutionMetrics, NDCG at 25 for other names; without a list "
        "`aws-user-personalization`",
        "That recipe replaced them all.",
    ),
    Difference(
        "trials of HPO",
        "at once, up to `maxParallelTrainingJobs`",
        "one after the other, each with all threads, unless the setting `compute` names processes or machines: then, "
        "once one has taken 10 s, the others on them, up to `maxParallelTrainingJobs` at once; 4 trials at most of a "
        "sequence model",
        "One process is not faster with two at once.",
    ),
    Difference(
        "semantic similarity",
        "compares embeddings of a language model",
        "compares words, their stems and runs of letters",
        "A language model would have to be downloaded.",
    ),
    Difference(
        "metrics of `aws-semantic-similarity`",
        "popularity, freshness and similarity; their keys are not documented",
        "`item_popularity`, `item_freshness`, `item_similarity`",
        _UNKNOWN,
    ),
    Difference(
        "`includedDatasetColumns`",
        "shown for semantic similarity",
        "works with every recipe that takes `excludedDatasetColumns`; a column in both is refused",
        "The service model names no recipe.",
    ),
    Difference(
        "`trainingMode` UPDATE",
        "trains on what is new",
        "trains the whole model; what is refused is as with Amazon",
        "A whole training takes seconds to minutes.",
    ),
    Difference("`trainingMode` AUTOTRAIN", "not documented", "is a FULL training", _UNKNOWN),
    Difference(
        "`hpoObjective`",
        "in the model, and not supported",
        "is kept, and changes nothing",
        "As Amazon says of it.",
    ),
    Difference(
        "HPO of the recipes v2",
        "by itself every 90 days",
        "does not run",
        "Their one parameter changes nothing here.",
    ),
    Difference(
        "items and interactions of a training",
        "up to 5 million items and 3 billion interactions are considered, fewer by the older recipes",
        "all that memory has room for",
        "What protects a shared service protects nobody here.",
    ),
    Difference(
        "cold items of `aws-hrnn-coldstart`",
        "100 to 80,000, else the training fails",
        "any number",
        "Its model here does not need them.",
    ),
    Difference(
        "legacy recipes",
        "not for new solutions any more",
        "are trained",
        "Published notebooks use them.",
    ),
    Difference(
        "a solution that was just created",
        "must be ACTIVE, says the guide",
        "is ACTIVE at once",
        "Amazon's own functions break on any other status at their first look.",
    ),
    Difference(
        "the same training again",
        "not offered",
        "gives the same numbers on the same machine; `sartor retrain --verify` proves it",
        "Whoever must answer for a model can.",
    ),
)

ANSWERS: Final = (
    Difference(
        "users that nobody knows",
        "get what other users began with, or what is popular",
        "the same by attributes and context if there are any, else what is popular",
        "Two editions of the guide say two things.",
    ),
    Difference(
        "items that nobody knows, in a ranking",
        "score 0 on one page, no score on another and in recorded answers",
        "come last, without a score",
        "What is recorded counts.",
    ),
    Difference(
        "`numResults` 0",
        "allowed by the model, without a meaning",
        "is the default",
        _UNKNOWN,
    ),
    Difference(
        "`recommendationId`",
        "`RID-` and a text of some form",
        "`RID-` and a UUID",
        "Programs hand it back as it is.",
    ),
    Difference(
        "exploration",
        "changes from call to call",
        "one user gets the same answer until something new is known or an hour is over",
        "Answers can be found in memory, and a page that is loaded again shows the same.",
    ),
    Difference(
        "`rankingInfluence`",
        "how much a value changes is not documented",
        "the 200 most similar items are put in order by similarity and popularity and freshness times their values",
        _UNKNOWN,
    ),
    Difference(
        "new items",
        "are considered every two hours, with semantic similarity after 30 minutes",
        "within seconds",
        "There is no reason to wait.",
    ),
    Difference(
        "versions that consider new items",
        "the newest FULL one that a campaign serves",
        "every one that a campaign serves or a batch job asks",
        "There is no reason to leave the others out.",
    ),
    Difference(
        "new attributes of users",
        "with the next training",
        "with the next request",
        "There is no reason to wait.",
    ),
    Difference(
        "age of new items",
        "back from the newest interaction, or from now: two pages",
        "back from the newest interaction that was trained on",
        "The newer page says so.",
    ),
    Difference(
        "an unknown filter at the runtime",
        "`InvalidInputException`, as published programs expect",
        "the same",
        "Not documented; an unknown campaign is not found.",
    ),
    Difference(
        "a percentage of promoted items",
        "how it is rounded is not documented",
        "half up; an item stands once, promoted if it can be",
        _UNKNOWN,
    ),
    Difference(
        "events that are dated ahead, in trends",
        "not documented",
        "what is more than 15 minutes ahead moves nothing",
        "A wrong clock must not make a trend.",
    ),
    Difference(
        "AND and OR in a filter",
        "their precedence is not documented",
        "AND binds before OR, and there are no parentheses",
        _UNKNOWN,
    ),
    Difference(
        "null in a filter",
        "not documented",
        "is in no list and meets no comparison; NOT IN holds of it",
        _UNKNOWN,
    ),
    Difference(
        "an INCLUDE whose IF does not hold",
        "not documented",
        "demands nothing",
        _UNKNOWN,
    ),
    Difference(
        "placeholders of numbers in `filterValues`",
        "no example",
        'quoted (`"\\"25\\""`) and bare (`"25"`)',
        "The guide tells to quote everything; people write numbers.",
    ),
    Difference(
        "what filters remember of a user",
        "forgotten after three months without an event",
        "the newest 100 of each event type, whenever they were",
        "A purchase stays a purchase.",
    ),
)

DOMAINS: Final = (
    Difference(
        "a recommender that is trained again",
        "every week; a change of its columns too",
        "the same, in place: the old model answers until the new one is there, then no answer is the old one's",
        "`latestRecommenderUpdate` ACTIVE is a promise that programs can rely on.",
    ),
    Difference(
        "event types of use cases",
        "`View`, `Purchase`, `Watch`",
        "the same in any case",
        "Amazon's samples write `watch` and `purchase` too.",
    ),
    Difference(
        "quota of recommenders",
        "5 a dataset group on one page, 15 a region on another",
        "5 a dataset group",
        "It is the page of quotas.",
    ),
    Difference(
        "Most popular and its like without a `userId`",
        "the table of requests demands one, though the answer is everybody's",
        "is demanded",
        "What runs here should run there.",
    ),
)

ACTIONS: Final = (
    Difference(
        "types of action interactions",
        "`TAKEN`, `NOT_TAKEN`, `VIEWED`; the guide's files write `Not taken`",
        "both; any other is refused",
        "Two pages of the guide say two things.",
    ),
    Difference(
        "when an action expires",
        "`EXPIRATION_TIMESTAMP` in a table, `ACTION_EXPIRATION_TIMESTAMP` in the text; within two hours",
        "either name; with the next answer",
        "Two pages of the guide say two things, and there is no reason to wait.",
    ),
    Difference(
        "exploration of actions",
        "by the service, how much is not documented",
        "about one in ten places, the last ones of an answer, at most half of them",
        _UNKNOWN,
    ),
    Difference(
        "`campaignArn` and `userId` of GetActionRecommendations",
        "required by the text, not by the model",
        "are required",
        "Without them there is no answer.",
    ),
)

BATCH: Final = (
    Difference(
        "statuses of batch jobs",
        "PENDING in the model's texts, CREATE PENDING in recorded answers",
        "CREATE PENDING, CREATE IN_PROGRESS, ACTIVE, CREATE FAILED",
        "What is recorded counts.",
    ),
    Difference(
        "what a batch job sees of live records",
        "what was put 15 minutes before it starts",
        "what was put before it answers a line",
        "Batch and campaign cannot differ.",
    ),
    Difference(
        "order of lines",
        "need not be that of the input",
        "is that of the input",
        "It costs nothing and can be relied on.",
    ),
    Difference(
        "lines that cannot be answered",
        "an `error` in their place; other forms are not documented",
        "an `error` in their place, and once more in `NAME_errors` with their number",
        "Among millions of lines nobody finds ten.",
    ),
    Difference(
        "lines of segments",
        "`usersList` in recorded answers, `recommendedUsers` in the guide",
        '`{"input": …, "output": {"usersList": […]}, "error": null}`',
        "What is recorded counts.",
    ),
    Difference(
        "themes",
        "are written by a language model, in three regions",
        "are made of words that the items share and others lack; relevance from 0 to 1",
        "No service is called, and the words are the shop's own.",
    ),
    Difference(
        "output that is the input's place",
        "should differ on one page, must on another",
        "is refused; what lies below the output path is not read as input",
        "No answer is taken for a question.",
    ),
)

#: All of them, by the heading of the page.
DIFFERENCES: Final[dict[str, tuple[Difference, ...]]] = {
    "Calls, accounts and time": CALLS,
    "Data": DATA,
    "Trainings": TRAININGS,
    "Recommenders": DOMAINS,
    "Answers and filters": ANSWERS,
    "Actions": ACTIONS,
    "Batch jobs": BATCH,
}
