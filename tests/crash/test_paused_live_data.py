"""A worker that sleeps past its lease while another exports, deletes or drains changes nothing when it wakes up."""

import csv
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from crash.test_killed_live_data import AT_ONCE, NEVER, ROLE, Row, Shop, stored_rows, wait_until
from crash.workers import Worker


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    yield shop
    shop.close()


@contextmanager
def asleep(shop: Shop, job: str, step: str, drains: dict[str, str] = NEVER) -> Iterator[None]:
    """Stop a worker before a step for as long as this is open, then let it go on until it has worked again."""
    worker = shop.dying(job, step, "pause-before", drains)
    try:
        wait_until(lambda: worker.poll() is not None or worker.is_paused(), f"it stops before {step}")
        assert worker.poll() is None, f"it ended before {step}"
        yield
        worker.send_signal(signal.SIGCONT)
        settled(shop, export(shop, f"after-{job}-{step}"))  # one lane does one job after the other
        if drains is AT_ONCE:
            shop.put("loyal-9")
            wait_until(lambda: is_drained(shop), "it drains again")
    finally:
        end(worker)


def is_drained(shop: Shop) -> bool:
    records = shop.reader.records(shop.interactions)
    return records.drained() == records.put.newest(records.number)


def end(worker: Worker) -> None:
    """End a worker, asleep or not."""
    for number in (signal.SIGTERM, signal.SIGCONT):
        worker.send_signal(number)
    worker.wait(30)


def export(shop: Shop, name: str) -> str:
    """Begin an export and return its ARN."""
    answer = shop.client.create_dataset_export_job(
        jobName=name.replace(" ", "-"),
        datasetArn=shop.interactions,
        ingestionMode="ALL",
        roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": "s3://shop/exports/"}},
    )
    return str(answer["datasetExportJobArn"])


def settled(shop: Shop, arn: str) -> dict[str, Any]:
    """Return an export once it has ended well."""

    def job() -> dict[str, Any]:
        return dict(shop.client.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"])

    return shop.settle(job)


def exported(shop: Shop, name: str) -> list[Row]:
    rows: list[Row] = []
    for part in (shop.bucket / "exports" / name).iterdir():
        with part.open(newline="") as file:
            rows += [(row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"])) for row in csv.DictReader(file)]
    return rows


@pytest.mark.parametrize("step", ["write second part", "finish"])
def test_an_export_has_every_row_once_when_its_first_worker_wakes_up(shop: Shop, step: str) -> None:
    name = f"slept-{step}".replace(" ", "-")
    arn = export(shop, name)
    with asleep(shop, "export", step):
        with shop.working():
            settled(shop, arn)
        shop.put("loyal-5")  # a late part would have it
        expected = set(exported(shop, name))
    rows = exported(shop, name)
    assert len(rows) == len(set(rows))
    assert set(rows) == expected


@pytest.mark.parametrize("step", ["drain", "rewrite imported"])
def test_a_deletion_takes_nothing_more_when_its_first_worker_wakes_up(shop: Shop, step: str) -> None:
    user = "doomed-0" if step == "drain" else "doomed-1"
    shop.events.put_users(datasetArn=shop.users, users=[{"userId": user}])
    shop.put(user, 2)
    shop.put("loyal-5", 2)
    shop.drain(shop.users)
    shop.drain(shop.interactions)
    shop.put(user, 1)
    (shop.bucket / f"{user}.csv").write_text(f"USER_ID\n{user}\n")
    arn = shop.client.create_data_deletion_job(
        jobName=user,
        datasetGroupArn=shop.group,
        dataSource={"dataLocation": f"s3://shop/{user}.csv"},
        roleArn=ROLE,
    )["dataDeletionJobArn"]

    def job() -> dict[str, Any]:
        return dict(shop.client.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"])

    with asleep(shop, "deletion", step):
        with shop.working():
            ended = shop.settle(job)
        shop.expected = {row for row in shop.expected if row[0] != user}
        for dataset in (shop.users, shop.interactions):
            assert (user,) not in stored_rows(shop, dataset, "USER_ID")
        shop.put("loyal-6", 3)
        shop.put(user, 1)  # who came back stays
        shop.drain(shop.interactions)
    assert job() == ended
    shop.check()


@pytest.mark.parametrize("step", ["count metrics", "store part"])
def test_records_are_there_once_when_a_drain_wakes_up(shop: Shop, step: str) -> None:
    shop.put("loyal-7", 4, "watch")
    records = shop.reader.records(shop.interactions)
    with asleep(shop, "drain", step, AT_ONCE):
        shop.check()
        shop.put("loyal-8", 2, "watch")
        with shop.working():
            wait_until(lambda: is_drained(shop), "another drains")
            records.put_table.sweep(-60.0)  # what the one that sleeps has stored
        shop.check()
    shop.check()
    assert sum(total for *_, total in shop.reader.backend.store.samples.totals()) == shop.watched
