"""A trained model's folder: one suite for a folder and for an S3 service."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sartor.data.actions import ActionRows
from sartor.data.blobs import Blobs
from sartor.data.ids import Ids
from sartor.data.training import TrainingRows
from sartor.models import popularity
from sartor.models.base import Float32, Histories, Query, Run, TrainingData
from sartor.realtime import artifact, seen, served_users, states
from sartor.recipes import BY_ARN, Serving


def rows(n: int) -> TrainingRows:
    """Return one interaction of each of so many users, the first two with the same item."""
    item = np.maximum(np.arange(n) - 1, 0).astype(np.int32)
    offsets = np.arange(n + 1, dtype=np.int64)
    times = np.arange(n, dtype=np.int64)
    nothing = np.zeros(0, np.int32)
    return TrainingRows(
        Ids.of([f"u{number}" for number in range(n)]),
        Ids.of([f"i{number}" for number in range(max(n - 1, 0))]),
        offsets,
        item,
        times,
        np.ones(n, np.float32),
        offsets,
        item,
        np.zeros(n, np.int16),
        times,
        ("Click",),
        nothing,
        np.zeros(max(n, 1), np.int64),
        (),
    )


def written(
    storage: Blobs,
    scratch: Path,
    of: TrainingRows,
    kind: type[popularity.PopularityModel] = popularity.PopularityModel,
    serving: Serving | None = None,
) -> None:
    histories = Histories(of.item, of.offsets, of.time)
    fitted = popularity.fit(TrainingData(len(of.items), histories), popularity.Config(), Run())
    model = kind.restored(fitted.settings(), fitted.arrays())
    record = {
        "tables": {"INTERACTIONS": {"bulkVersion": 3, "putNumber": 7}},
        "eventTypes": list(of.event_types),
    }
    scratch.mkdir(exist_ok=True)
    artifact.write(storage, "a/b", model, of, record, scratch, serving)


def test_what_was_written_is_read_in_every_storage(storage: Blobs, tmp_path: Path) -> None:
    of = rows(400)
    written(storage, tmp_path / "new", of)
    found = artifact.read(storage, artifact.Place("a/b", "a/b"))
    assert found.items.names() == of.items.names()
    assert found.users.find("u399") == 399
    np.testing.assert_array_equal(found.item, of.item)
    scores = found.model.score(Query(np.zeros(0, np.int32)))
    assert scores.argmax() == 0
    known = seen.of_artifact(found)
    assert known.of("u2") == [(2, "click", "i1")]
    assert known.of("nobody") == []
    assert (known.bulk_version, known.put_number) == (3, 7)


class Remembering(popularity.PopularityModel):
    """Computes something beforehand: how many interactions each history has, and half of it."""

    def states(self, histories: Histories, keep_on: Callable[[], None] = lambda: None) -> Float32:
        lengths = np.diff(histories.offsets).astype(np.float32)
        return np.stack([lengths, lengths / 2], axis=1)


def test_what_users_did_with_actions_is_read_and_forgotten_with_them(storage: Blobs, tmp_path: Path) -> None:
    acting = ActionRows(
        Ids.of(["a", "b"]),
        np.array([0, 2, 2, 3]),
        np.array([0, 1, 1], np.int32),
        np.array([0, 2, 1], np.int8),
        np.array([7, 8, 9]),
    )
    of = replace(rows(3), acting=acting)
    written(storage, tmp_path / "new", of)
    found = artifact.read(storage, artifact.Place("a/b", "a/b"))
    assert found.acting is not None
    known = seen.of_actions(found, found.acting)
    assert known.of("u0") == [(7, "taken", "a"), (8, "viewed", "b")]
    assert served_users.forget(storage, "a/b", "a/b/users-2", ["u0"], tmp_path) == 1
    left = artifact.read(storage, artifact.Place("a/b", "a/b/users-2"))
    assert left.acting is not None
    known = seen.of_actions(left, left.acting)
    assert (known.of("u0"), known.of("u2")) == ([], [(9, "not_taken", "b")])
    assert left.acting.actions.names() == ["a", "b"]


def test_what_a_model_computed_beforehand_is_kept(storage: Blobs, tmp_path: Path) -> None:
    written(storage, tmp_path / "first", rows(400))
    written(storage, tmp_path / "second", rows(400), Remembering)
    found = artifact.read(storage, artifact.Place("a/b", "a/b")).states
    assert found is not None
    assert found.tolist() == [[1.0, 0.5]] * 400


@pytest.mark.parametrize(
    ("recipe", "kept"), [("aws-user-personalization", False), ("aws-item-affinity", True)]
)
def test_so_many_users_that_most_never_ask_have_nothing_computed_but_for_segments(
    recipe: str, kept: bool, storage: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "_BYTES", 400 * 8 - 1)
    serving = BY_ARN[f"arn:aws:personalize:::recipe/{recipe}"].serving
    written(storage, tmp_path / "some", rows(399), Remembering, serving)
    assert artifact.read(storage, artifact.Place("a/b", "a/b")).states is not None
    written(storage, tmp_path / "more", rows(400), Remembering, serving)
    assert (artifact.read(storage, artifact.Place("a/b", "a/b")).states is not None) == kept


def test_the_best_items_of_whoever_is_left_stay_when_a_user_goes(storage: Blobs, tmp_path: Path) -> None:
    serving = BY_ARN["arn:aws:personalize:::recipe/aws-user-personalization"].serving
    written(storage, tmp_path / "new", rows(400), serving=serving)
    before = artifact.read(storage, artifact.Place("a/b", "a/b")).heads
    assert served_users.forget(storage, "a/b", "a/b/users-2", ["u3"], tmp_path) == 1
    after = artifact.read(storage, artifact.Place("a/b", "a/b/users-2")).heads
    assert before is not None
    assert after is not None
    assert len(before) == 401, "the last is of who has no history"
    assert after.tobytes() == np.delete(before, 3).tobytes()


def test_what_another_model_computed_is_gone_with_it(storage: Blobs, tmp_path: Path) -> None:
    written(storage, tmp_path / "first", rows(400), Remembering)
    written(storage, tmp_path / "second", rows(400))
    assert artifact.read(storage, artifact.Place("a/b", "a/b")).states is None


def test_an_artifact_from_before_there_were_states_is_read(storage: Blobs, tmp_path: Path) -> None:
    written(storage, tmp_path / "first", rows(5), Remembering)
    for name in ("states", "heads"):
        storage.delete(f"a/b/{name}.npy")
    found = artifact.read(storage, artifact.Place("a/b", "a/b"))
    assert (found.states, found.heads) == (None, None)


def test_an_artifact_is_replaced_by_the_next_attempt(storage: Blobs, tmp_path: Path) -> None:
    written(storage, tmp_path / "first", rows(5))
    written(storage, tmp_path / "second", rows(400))
    assert len(artifact.read(storage, artifact.Place("a/b", "a/b")).users) == 400


def test_a_folder_without_its_record_is_no_artifact(storage: Blobs, tmp_path: Path) -> None:
    written(storage, tmp_path / "new", rows(5))
    storage.delete("a/b/record.json")
    with pytest.raises(FileNotFoundError):
        artifact.read(storage, artifact.Place("a/b", "a/b"))


def test_what_users_did_with_each_item_is_stored_and_follows_who_is_forgotten(
    storage: Blobs, tmp_path: Path
) -> None:
    of = rows(4)  # the first item is that of the first two users
    written(storage, tmp_path / "new", of)

    def found(users: str) -> tuple[list[int], list[int]]:
        one = artifact.read(storage, artifact.Place("a/b", users))
        return one.item_counts.tolist(), one.item_first.tolist()

    assert found("a/b") == ([2, 1, 1], [0, 2, 3])
    served_users.forget(storage, "a/b", "a/b/users-2", ["u0", "u3"], tmp_path)
    assert found("a/b/users-2") == ([1, 1], [1, 2])
    served_users.forget(storage, "a/b/users-2", "a/b/users-3", ["u1"], tmp_path)
    assert found("a/b/users-3") == ([0, 1], [-1, 2])
    for name in served_users.OF_ITEMS:
        storage.delete(f"a/b/users-2/{name}.npy")
    assert found("a/b/users-2") == ([1, 1], [1, 2]), "an earlier Sartor wrote none"
