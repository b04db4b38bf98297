"""What is imported, or deleted, is what one state of a file says: one that is written to meanwhile fails the job."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.conftest import Client
from api.schemas import INTERACTIONS

HEADER = ",".join(field["name"] for field in INTERACTIONS["fields"])


def text(item: str, rows: int = 20_000) -> str:
    lines = (f"u{n % 100},{item},{1_600_000_000 + n},,,,,,," for n in range(rows))
    return "\n".join([HEADER, *lines]) + "\n"


def appended(place: Path) -> None:
    with place.open("a") as file:
        file.write("late,new,1600000000,,,,,,,\n")


def overwritten(place: Path) -> None:
    content = text("new")
    with place.open("r+") as file:
        file.write(content)


@contextmanager
def changing(place: Path, change: Callable[[Path], None]) -> Iterator[None]:
    """Change a file again and again."""
    over = threading.Event()

    def again() -> None:
        while not over.wait(0.002):
            change(place)

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("change", [appended, overwritten])
def test_a_file_that_changes_while_it_is_imported_fails_the_job(
    client: Client, change: Callable[[Path], None]
) -> None:
    folder = client.name("folder")
    # the file that changes is the first of several: it has long been read when the last is
    key = client.write(f"{folder}/1.csv", text("old"))
    for n in range(2, 4):
        client.write(f"{folder}/{n}.csv", text("old"))
    dataset = client.dataset(INTERACTIONS, "Interactions")
    arn = client.start(dataset, f"{folder}/")
    with changing(client.bucket / key, change):
        job = client.until(lambda: client.job(arn))
    assert (job["status"], job.get("failureReason")) == (
        "CREATE FAILED",
        f"s3://training/{key} has changed while it was imported.",
    )
    assert client.exported(dataset) == []
    assert client.imported(dataset, f"{folder}/")["status"] == "ACTIVE"


def test_a_file_of_users_that_changes_while_it_is_read_deletes_nobody(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    imported = client.imported(dataset, client.write(f"{client.name('f')}.csv", text("old", 1000)))
    assert imported["status"] == "ACTIVE"
    key = client.write(f"{client.name('users')}.csv", "USER_ID\n" + "u1\n" * 1000)

    def another(place: Path) -> None:
        with place.open("a") as file:
            file.write("u2\n")

    arn = client.personalize.create_data_deletion_job(
        jobName=client.name("deletion"),
        datasetGroupArn=client.group_of(dataset),
        dataSource={"dataLocation": f"s3://training/{key}"},
        roleArn="arn:aws:iam::000000000000:role/import",
    )["dataDeletionJobArn"]
    with changing(client.bucket / key, another):
        job = client.until(
            lambda: client.personalize.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
        )
    assert (job["status"], job["failureReason"]) == (
        "FAILED",
        f"s3://training/{key} has changed while it was imported.",
    )
    assert len(client.exported(dataset)) == 1000
