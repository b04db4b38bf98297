"""Questions in bulk: each line of a batch job is answered as GetRecommendations or GetPersonalizedRanking would.

Source: the guide's "Preparing input data for batch recommendations" and "Batch inference job output examples".
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from sartor.data import json_lines
from sartor.data.json_lines import Answered, Block, Line, UnreadableLine, Written
from sartor.errors import ApiError
from sartor.realtime.asked import Asked
from sartor.realtime.blocks import Blocks
from sartor.realtime.deployments import Deployment
from sartor.realtime.filtering import Filters
from sartor.realtime.picked import Picked
from sartor.realtime.recommend import Recommender
from sartor.realtime.themes import ThemedItems

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

#: The most characters of an id.
_MOST_ID: Final = 256
#: The most items of a ranking.
_MOST_RANKED: Final = 500
#: So many lines are answered at once: together, or one by one.
_TOGETHER, _ALONE = 1024, 64
#: What is kept of users who ask again, in bytes: hardly any does.
_KEPT_BYTES: Final = 2**20


class Only:
    """What is asked, whatever its name."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def of(self, _caller: "Caller", _arn: str) -> Deployment:
        """Return it."""
        return self._deployment


class Bulk:
    """Answers lines; safe to share between threads.

    Args:
        deployment: what is asked.
        caller: whose filters may be named.
        filters: what filters allow.
        filter_arn: the job's filter; ``None`` allows all.
        results: how many items an answer has at most.
        themes: says what the items of an answer have in common; ``None`` says nothing.
    """

    def __init__(
        self,
        deployment: Deployment,
        caller: "Caller",
        filters: Filters,
        filter_arn: str | None,
        results: int,
        themes: ThemedItems | None = None,
    ) -> None:
        self._themes = themes
        self._caller = caller
        self._serving = deployment.version.serving
        self._recommender = Recommender(Only(deployment), filters, kept_bytes=_KEPT_BYTES)
        self._every: dict[str, Any] = {"campaignArn": deployment.arn}
        if filter_arn is not None:
            self._every["filterArn"] = filter_arn
        self._blocks = Blocks(deployment, caller, filters, filter_arn, results)
        self._ranks = self._serving.operation == "GetPersonalizedRanking"
        if not self._ranks:
            self._every["numResults"] = results

    @property
    def block_lines(self) -> int:
        """How many lines are best answered at once."""
        return _TOGETHER if self._blocks.able else _ALONE

    def answer(self, block: Block) -> Written:
        """Return the answer to each line of a block."""
        if not self._blocks.able:
            return json_lines.written(map(self._alone, block.lines()))
        names = json_lines.texts_of(block, "userId")
        if names is None or max(map(len, names)) > _MOST_ID:
            return self._each(lines := block.lines(), self._together(lines))
        together = self._blocks.outputs(range(len(names)), names, [None] * len(names))
        if len(together.places) < len(names):
            return self._each(block.lines(), together.by_place())
        return json_lines.written_plainly(block, together.pieces)

    def _each(self, lines: Sequence[Line], together: Mapping[int, bytes]) -> Written:
        """Return the answers to lines, those that are given together by their places, the others one by one."""
        found = ((line, together.get(at)) for at, line in enumerate(lines))
        return json_lines.written(
            self._alone(line) if output is None else Answered(line, output) for line, output in found
        )

    def _together(self, lines: Sequence[Line]) -> Mapping[int, bytes]:
        """Return the answers to lines that ask for users, by their places, as far as they are given together."""
        found = []
        for at, line in enumerate(lines):
            try:
                request = self._asked(json_lines.read(line))
            except UnreadableLine:
                continue
            if "userId" in request and not request.get("context"):
                found.append((at, request["userId"], request.get("filterValues")))
        places, users, values = zip(*found, strict=True) if found else ((), (), ())
        return self._blocks.outputs(places, users, values).by_place()

    def _alone(self, line: Line) -> Answered:
        """Return the answer to one line, or why there is none."""
        try:
            request = self._every | self._asked(json_lines.read(line))
            output = self._ranked(request) if self._ranks else self._recommended(request)
        except UnreadableLine as error:
            return Answered(line, None, str(error))
        except ApiError as error:
            return Answered(line, None, error.message)
        return Answered(line, orjson.dumps(output))

    def _recommended(self, request: dict[str, Any]) -> dict[str, Any]:
        asked, picked = self._recommender.recommend(self._caller, request)
        if self._themes is None:
            return self._output(asked, picked, ())
        theme, rows, fits = self._themes.of([one.row for one in picked])
        names = [asked.version.items.name(row) for row in rows]
        return {"recommendedItems": names, "theme": theme, "itemsThemeRelevanceScores": fits}

    def _ranked(self, request: dict[str, Any]) -> dict[str, Any]:
        asked, picked, unknown = self._recommender.rank(self._caller, request)
        return self._output(asked, picked, unknown)

    def _output(self, asked: Asked, picked: Sequence[Picked], unknown: Sequence[str]) -> dict[str, Any]:
        """Return an answer as the service writes it; what the model does not know has no score."""
        name = asked.version.items.name
        output: dict[str, Any] = {"recommendedItems": [*(name(one.row) for one in picked), *unknown]}
        if self._serving.scored is not None:
            output["scores"] = [*(one.score for one in picked), *(None for _ in unknown)]
        if self._serving.scored == "subset" and not self._ranks:
            output["reasons"] = [[] if one.reason is None else [one.reason] for one in picked]
        return output

    def _asked(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of the request that a line makes.

        Raises:
            UnreadableLine: one of them is of another kind, or there is no such thing in batch.
        """
        if "promotions" in found:
            raise UnreadableLine("Batch inference has no promotions: use a filter, or ask a campaign.")
        request: dict[str, Any] = {}
        for name in ("userId", "itemId"):
            if name in found:
                request[name] = _id(name, found[name])
        for name in ("filterValues", "context"):
            if name in found:
                request[name] = _texts(name, found[name])
        if self._ranks:
            items = found.get("itemList")
            if not isinstance(items, list) or not 1 <= len(items) <= _MOST_RANKED:
                raise UnreadableLine(f"itemList must be a list of 1 to {_MOST_RANKED} item ids.")
            request["inputList"] = [_id("itemList", one) for one in items]
        return request


def _id(name: str, value: Any) -> str:
    """Return an id.

    Raises:
        UnreadableLine: it is none.
    """
    if not isinstance(value, str) or not 1 <= len(value) <= _MOST_ID:
        raise UnreadableLine(f'{name} must have strings of 1 to {_MOST_ID} characters, such as "1".')
    return value


def _texts(name: str, value: Any) -> dict[str, str]:
    """Return a map of texts.

    Raises:
        UnreadableLine: it is none.
    """
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise UnreadableLine(f'{name} must be an object of strings, such as {{"GENRE": "\\"comedy\\""}}.')
    return value
