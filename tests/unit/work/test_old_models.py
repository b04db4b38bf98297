"""What recommenders served before, and what dead trainings left, is deleted; what is served or being made is not."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sartor.data.blobs import FolderBlobs
from sartor.resources.store import Resource, Store
from sartor.work import old_models
from sartor.work.tools import Tools
from sartor.work.trained_users import COMING, USERS

ARN = "arn:aws:personalize:us-east-1:000000000000:recommender/r"
SERVED = {"folder": "r", "artifact": "r/2-1", USERS: "r/users-b"}
FILES = ["r/1-1/record.json", "r/1-1/users-a/item.npy", "r/2-1/record.json", "r/users-b/item.npy", "r/20-1/x"]


@pytest.fixture
def swept(tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """Give what sweeps a recommender, and returns which of the files are left."""
    store, storage = Store.open(f"sqlite:///{tmp_path / 's.db'}"), FolderBlobs(tmp_path / "storage")
    tools = cast("Tools", SimpleNamespace(store=store, storage=storage))

    def sweep(private: dict[str, Any], trains: bool = False) -> list[str]:
        for file in FILES:
            storage.put(file, b"x")
        with store.write() as transaction:
            transaction.add(
                Resource(
                    ARN, "recommender", "000000000000", "us-east-1", "r", "ACTIVE", {}, private, 1.0, 1.0
                )
            )
            if trains:
                transaction.add_task(ARN, "recommender", "train", "heavy")
        old_models.sweep(tools)
        return sorted(path for path, _ in storage.list("r"))

    yield sweep
    store.close()


def test_only_what_is_served_stays(swept: Callable[..., list[str]]) -> None:
    assert swept(SERVED) == ["r/2-1/record.json", "r/users-b/item.npy"]


def test_nothing_is_deleted_while_a_training_may_write(swept: Callable[..., list[str]]) -> None:
    assert swept(SERVED, trains=True) == sorted(FILES)


def test_nothing_is_deleted_of_what_was_never_trained(swept: Callable[..., list[str]]) -> None:
    assert swept({"folder": "r"}) == sorted(FILES)


def test_users_whom_a_dead_training_left_are_gone(swept: Callable[..., list[str]]) -> None:
    left = swept({**SERVED, COMING[USERS]: "r/1-1/users-a"})
    assert left == ["r/2-1/record.json", "r/users-b/item.npy"]
