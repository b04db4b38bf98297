"""Segments of a stored version: who is in one, what ends the work, and lines that ask twice or wrongly."""

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sartor.data.blobs import FolderBlobs
from sartor.data.ids import Ids
from sartor.data.json_lines import Block
from sartor.data.training import TrainingRows
from sartor.errors import JobFailed, Stopped
from sartor.models.affinity import AffinityModel, Config
from sartor.realtime import artifact
from sartor.resources.store import Resource
from sartor.work.batch_segments import Segments, version_of
from sartor.work.tools import Tools

RECIPE = "arn:aws:personalize:::recipe/aws-item-affinity"


def rows(lists: list[list[int]], items: int) -> TrainingRows:
    """Return what a training has read of users ``u0``, ``u1``, … with these items."""
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    item = np.array([one for some in lists for one in some], np.int32)
    times = np.arange(len(item), dtype=np.int64)
    return TrainingRows(
        users=Ids.of([f"u{user}" for user in range(len(lists))]),
        items=Ids.of([f"i{number}" for number in range(items)]),
        offsets=offsets,
        item=item,
        time=times,
        weight=np.ones(len(item), np.float32),
        seen_offsets=offsets,
        seen_item=item,
        seen_type=np.zeros(len(item), np.int16),
        seen_time=times,
        event_types=("",),
        tokens=np.zeros(0, np.int32),
        token_offsets=np.zeros(items + 1, np.int64),
        token_names=(),
    )


class Stored:
    """A version in a folder, whose users score an item by how often they met it, and half of that for its neighbour."""

    def __init__(self, folder: Path, lists: list[list[int]], comes_back: bool = True) -> None:
        self.storage = FolderBlobs(folder / "storage")
        (folder / "scratch").mkdir()
        says = np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]], np.float32)
        items = np.eye(3, dtype=np.float32)
        model = AffinityModel(Config(d=3, always=1.0, fading=1e9), says, items, comes_back)
        artifact.write(self.storage, "version", model, rows(lists, 3), {}, folder / "scratch")
        self.stops = False

    def keep_on(self) -> None:
        if self.stops:
            raise Stopped

    def segments(self, size: int = 25, *rows: Resource) -> Segments:
        """Return the segments of the version whose row is read as one of these after the other."""
        read = iter(rows or (row_of("version"),))
        transaction = nullcontext(SimpleNamespace(get=lambda _arn: next(read)))
        store = SimpleNamespace(get=lambda _arn: next(read), read=lambda: transaction)
        tools = cast(Tools, SimpleNamespace(store=store, storage=self.storage, keep_on=self.keep_on))
        job = cast(Resource, SimpleNamespace(body={"solutionVersionArn": "arn:version"}))
        return Segments(*version_of(job, tools), None, size, tools)

    def asked(self, *questions: Any, size: int = 25) -> list[list[str] | str]:
        """Return the users of each line, or the reason why there are none."""
        return answered(self.segments(size), *questions)


def answered(segments: Segments, *questions: Any) -> list[list[str] | str]:
    written = segments.answer(Block(1, b"".join(json.dumps(one).encode() + b"\n" for one in questions)))
    found = [json.loads(one) for one in written.answers.splitlines()]
    shown = [one if isinstance(one, dict) else json.dumps(one) for one in questions]
    assert [one["input"] for one in found] == shown
    return [one["error"] if one["output"] is None else one["output"]["usersList"] for one in found]


def row_of(folder: str, updated_at: float = 1.0) -> Resource:
    """Return the row of a version whose artifact lies in a folder."""
    body = {"recipeArn": RECIPE, "datasetGroupArn": "arn:group"}
    named = ("arn:version", "solution-version", "111122223333", "eu-central-1", "version", "ACTIVE")
    return Resource(*named, body, {"folder": folder}, 1.0, updated_at)


def test_the_likeliest_users_come_first_and_of_equal_ones_the_first(tmp_path: Path) -> None:
    stored = Stored(tmp_path, [[0], [0, 0, 1], [1, 1, 1], [0, 0], [2]])
    assert stored.asked({"itemId": "i0"}, size=3) == [["u1", "u3", "u2"]]
    assert stored.asked({"itemId": "i1"}, {"itemId": "i2"}, size=1) == [["u2"], ["u4"]]


def test_users_of_whom_nothing_counts_are_in_no_segment(tmp_path: Path) -> None:
    stored = Stored(tmp_path, [[], [0], []])
    assert stored.asked({"itemId": "i0"}, {"itemId": "i2"}) == [["u1"], ["u1"]]


def test_who_has_met_an_item_comes_last_where_nobody_comes_back(tmp_path: Path) -> None:
    stored = Stored(tmp_path, [[0, 1], [1], [0]], comes_back=False)
    assert stored.asked({"itemId": "i0"}) == [["u1", "u0", "u2"]]
    assert stored.asked({"itemId": "i1"}) == [["u2", "u0", "u1"]]


def test_a_version_whose_users_are_all_deleted_has_empty_segments(tmp_path: Path) -> None:
    assert Stored(tmp_path, []).asked({"itemId": "i0"}) == [[]]


def test_the_same_line_twice_is_answered_twice(tmp_path: Path) -> None:
    first, second = Stored(tmp_path, [[0], [1]]).asked({"itemId": "i0"}, {"itemId": "i0"})
    assert first == second == ["u0", "u1"]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"itemId": "nothing"}, "Item nothing was not in the data"),
        ({"itemId": None}, "itemId that is a text"),
        ({"itemAttributes": 'ITEMS.A = "b"'}, "itemId that is a text"),
        ({"itemId": "i0", "filterValues": {"A": 3}}, "filterValues must be an object of texts"),
        ([1], "not a JSON object"),
    ],
)
def test_a_line_that_asks_nothing_says_why_and_holds_up_no_other(
    tmp_path: Path, question: Any, words: str
) -> None:
    first, refused, last = Stored(tmp_path, [[0]]).asked({"itemId": "i0"}, question, {"itemId": "i0"})
    assert words in refused
    assert first == last == ["u0"]


def test_a_job_that_must_stop_stops(tmp_path: Path) -> None:
    stored = Stored(tmp_path, [[0]])
    stored.stops = True
    with pytest.raises(Stopped):
        stored.asked({"itemId": "i0"})


def test_a_version_whose_model_is_gone_fails_the_job(tmp_path: Path) -> None:
    gone = row_of("elsewhere")
    with pytest.raises(JobFailed, match="no longer exists"):
        Stored(tmp_path, [[0]]).segments(25, gone, gone)


def test_a_version_whose_users_are_moved_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    stored = Stored(tmp_path, [[0], [1]])
    segments = stored.segments(25, row_of("elsewhere"), row_of("version", updated_at=2.0))
    assert answered(segments, {"itemId": "i0"}) == [["u0", "u1"]]
