"""The batch segment job: for each item or expression about items in the input, the users who most likely want it.

All users are scored against the questions of a block in one product, some users at a time, so a file costs little
more than reading the users' vectors once. Source: the guide's "Getting batch user segments with custom resources".
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, cast

import numpy as np
import orjson

from sartor.data import json_lines
from sartor.data.json_lines import Answered, Block, Line, UnreadableLine, Written
from sartor.errors import ApiError, JobFailed
from sartor.filters import attributes
from sartor.filters.columns import Columns
from sartor.filters.values import Parameters
from sartor.models.affinity import AffinityModel
from sartor.models.base import Bool, Histories, Int32
from sartor.models.segments import ItemSets, Met, best_users, vectors
from sartor.realtime import artifact
from sartor.realtime.artifact import Artifact
from sartor.realtime.trained import as_it_is
from sartor.recipes import BY_ARN
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.store import Resource
from sartor.work.batch_files import FEW_BYTES, Answers, answer_files
from sartor.work.filtered_users import FilteredUsers
from sartor.work.item_columns import columns_of
from sartor.work.tools import Tools

#: What a line brings for the placeholders of a filter, as a key.
_Values = tuple[tuple[str, tuple[str, ...]], ...]
#: So many users are in the answers of one block of lines at most; it bounds the memory.
_USERS_AT_ONCE: Final = 4_000_000
#: With fewer users a file is answered before another process has begun.
_MANY_USERS: Final = 200_000
#: So many stretches a file has where others answer it; each goes through all users once.
_STRETCHES: Final = 16


def run(task: Task, tools: Tools) -> Outcome:
    """Write a segment for each line of the job's files.

    Raises:
        JobFailed: the version or the filter is gone, or a file cannot be read or written.
        Stopped: the job must stop; what is answered is kept for the next attempt.
    """
    answer_files(task, tools, answers_of(task.resource, tools))
    return Outcome()


def answers_of(job: Resource, tools: Tools) -> Answers:
    """Return what a job says to lines; each goes through all users, so few of them are worth a process.

    Raises:
        JobFailed: the version or the filter is gone.
    """
    version, stored = version_of(job, tools)
    segmenting = BY_ARN[version.body["recipeArn"]].segmenting
    assert segmenting is not None, "the job's rule"
    segments = Segments(version, stored, job.body.get("filterArn"), job.body["numResults"], tools)
    block_lines = max(min(_USERS_AT_ONCE // job.body["numResults"], segmenting.most_lines), 1)
    most_lines = segmenting.most_lines if tools.quotas_on else None
    few_bytes = 0 if len(stored.users) >= _MANY_USERS else FEW_BYTES
    return Answers(segments.answer, block_lines, 1, most_lines, answers_of, few_bytes, _STRETCHES)


def version_of(job: Resource, tools: Tools) -> tuple[Resource, Artifact]:
    """Return the solution version of a segment job, and what was trained for it, also while users are deleted from it.

    Raises:
        JobFailed: it is gone.
    """
    arn = job.body["solutionVersionArn"]
    found = as_it_is(tools.store, arn, lambda trained: artifact.read(tools.storage, trained.place))
    if found is None:
        raise JobFailed(f"Solution version {arn} no longer exists.")
    return found


class Segments:
    """The segments of one solution version.

    Args:
        version: of a recipe of segments.
        found: what was trained for it.
        filter_arn: of the filter that users must pass; ``None`` for any user.
        size: how many users a segment has at most.
        tools: the worker's.

    Raises:
        JobFailed: the filter is gone.
    """

    def __init__(
        self, version: Resource, found: Artifact, filter_arn: str | None, size: int, tools: Tools
    ) -> None:
        segmenting = BY_ARN[version.body["recipeArn"]].segmenting
        assert segmenting is not None, "not a recipe of segments"
        self._asked_with = segmenting.asked_with
        self._arn, self._artifact, self._size, self._tools = version.arn, found, size, tools
        self._model = cast(AffinityModel, found.model)
        nobody = np.zeros((0, self._model.items.shape[1]), np.float32)
        self._users = nobody if found.states is None else found.states
        self._histories = Histories(found.item, found.offsets, found.time)
        self._known: Bool = np.diff(found.offsets) > 0  # bool[users]: of others nothing counts
        self._filter = None
        if filter_arn is not None:
            self._filter = FilteredUsers(filter_arn, version.body["datasetGroupArn"], found.users, tools)

    def answer(self, block: Block) -> Written:
        """Return for each line of a block, in their order, its segment, or why it has none."""
        return json_lines.written(sorted(self._answered(block.lines()), key=lambda one: one.line.number))

    def _answered(self, lines: Sequence[Line]) -> Iterator[Answered]:
        """Yield the answers; lines that are filtered alike come together."""
        asked: dict[_Values, list[tuple[Line, Int32]]] = {}
        for line in lines:
            try:
                question = json_lines.read(line)
                parameters = self._parameters(question)
                wanted = self._wanted(question)
            except UnreadableLine as error:
                yield Answered(line, None, str(error))
            except ApiError as error:
                yield Answered(line, None, error.message)
            else:
                asked.setdefault(tuple(sorted(parameters.items())), []).append((line, wanted))
        for values, questions in asked.items():
            sets = ItemSets.of_each([items for _, items in questions])
            found = best_users(
                self._users,
                vectors(self._model, sets),
                self._size,
                self._allowed(dict(values)),
                None if self._model.comes_back else Met(self._model, self._histories, sets),
                self._tools.keep_on,
            )
            for (line, _), users in zip(questions, found, strict=True):
                yield Answered(line, orjson.dumps({"usersList": self._artifact.users.names_of(users)}))

    def _parameters(self, question: Mapping[str, Any]) -> Parameters:
        """Return what a line brings for the filter's placeholders."""
        given = question.get("filterValues")
        if given is not None and not _is_text_by_text(given):
            raise UnreadableLine("filterValues must be an object of texts.")
        return {} if self._filter is None else self._filter.parameters(given)

    def _allowed(self, parameters: Parameters) -> Bool | None:
        """Return bool[users]: who may be in a segment; ``None`` for all."""
        if self._filter is None:
            return None if bool(self._known.all()) else self._known
        return self._known & self._filter.allowed(parameters)

    def _wanted(self, question: Mapping[str, Any]) -> Int32:
        """Return int32[>= 1]: the items that a line asks for.

        Raises:
            UnreadableLine: it asks for nothing that the version knows.
            ApiError: ``InvalidInputException``: its expression cannot be read.
        """
        text = question.get(self._asked_with)
        if not isinstance(text, str):
            raise UnreadableLine(f"The line must have a member {self._asked_with} that is a text.")
        return self._item(text) if self._asked_with == "itemId" else self._items(text)

    def _item(self, name: str) -> Int32:
        number = self._artifact.items.find(name)
        if number is None:
            raise UnreadableLine(f"Item {name} was not in the data that {self._arn} was trained on.")
        return np.array([number], np.int32)

    def _items(self, expression: str) -> Int32:
        fields = [one.field for one in self._artifact.attributes.columns]
        conditions = attributes.read(expression, fields)
        found = np.flatnonzero(attributes.rows(conditions, self._columns)).astype(np.int32)
        if not len(found):
            raise UnreadableLine(f"No item that {self._arn} was trained on has these attributes.")
        return found

    @cached_property
    def _columns(self) -> Columns:
        return columns_of(self._artifact.attributes, len(self._artifact.items))


def _is_text_by_text(given: object) -> bool:
    return isinstance(given, dict) and all(isinstance(value, str) for value in given.values())
