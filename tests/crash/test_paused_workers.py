"""A worker that is stopped past its lease and goes on when another has done its work changes nothing more."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crash.test_killed_imports import Shop, opened, shop
from crash.test_killed_trainings import TrainingShop
from crash.workers import Worker

__all__ = ["opened", "shop"]

#: What a worker says once it knows that its task is another's.
GIVEN_UP = ("is left to another worker", "was lost at its end")


def wait_until(look: object, what: str) -> None:
    deadline = time.monotonic() + 60
    while not look():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"it never came to be: {what}"
        time.sleep(0.02)


@contextmanager
def overtaken(shop: Shop, job: str, step: str, when: str, log: Path) -> Iterator[None]:
    """Stop a worker at a step, do what is within, let the worker go on, and wait until it has given up."""
    log.touch()
    paused = Worker(shop.worker_options, (job, step, f"pause-{when}"), log=log)
    try:
        wait_until(paused.is_paused, "the worker is stopped")
        yield
        paused.send_signal(signal.SIGCONT)
        wait_until(lambda: any(words in log.read_text() for words in GIVEN_UP), "it gives up")
    finally:
        paused.send_signal(signal.SIGCONT)
        paused.terminate()
        paused.wait(20)


@pytest.mark.parametrize(
    ("step", "when"),
    [("spool", "before"), ("check", "before"), ("check", "after"), ("commit", "before"), ("commit", "after")],
)
def test_an_import_that_another_worker_has_finished_stays_as_it_is(
    shop: Shop, tmp_path: Path, step: str, when: str
) -> None:
    arn = shop.start_import("second", "new.csv", "INCREMENTAL")
    with overtaken(shop, "import", step, when, tmp_path / "paused.log"), shop.worker():
        assert shop.settle(arn)["status"] == "ACTIVE"
    assert shop.users() == {"old": 1000, "new": 1500}
    assert shop.commits_of(arn) == 1
    report = shop.server.get(f"/sartor/v1/import-jobs/{arn.rpartition('/')[2]}/report")
    assert (report["verdict"], report["rowsImported"]) == ("imported", 1500)


@pytest.mark.parametrize(("step", "when"), [("report", "before"), ("commit", "before")])
def test_an_import_of_a_file_that_was_broken_for_another_worker_stays_failed(
    shop: Shop, tmp_path: Path, step: str, when: str
) -> None:
    arn = shop.start_import("second", "new.csv", "FULL")
    with overtaken(shop, "import", step, when, tmp_path / "paused.log"):
        shop.write("new.csv", 1500, "new", "new-last,item-1,yesterday")
        with shop.worker():
            assert shop.settle(arn)["status"] == "CREATE FAILED"
    assert shop.users() == {"old": 1000}
    assert shop.server.get(f"/sartor/v1/import-jobs/{arn.rpartition('/')[2]}/report")["verdict"] == "failed"


@pytest.mark.parametrize(("step", "when"), [("store first file", "before"), ("store record", "after")])
def test_a_training_that_another_worker_has_finished_serves_what_that_one_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    shop = TrainingShop(tmp_path, monkeypatch)
    try:
        arn = shop.train()
        with overtaken(shop, "training", step, when, tmp_path / "paused.log"), shop.worker():
            assert shop.trained(arn)["status"] == "ACTIVE"
            assert len(set(shop.popular(arn))) == 50
        assert shop.version(arn)["status"] == "ACTIVE"
    finally:
        shop.server.stop()
