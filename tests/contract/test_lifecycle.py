"""The life of a task on every database: each is done once, and a death loses none."""

import multiprocessing
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from sartor.errors import Damaged, Stopped
from sartor.resources import lifecycle
from sartor.resources.kinds import LANES
from sartor.resources.lifecycle import MAX_ATTEMPTS, Outcome, Task, claim, fail, finish, heartbeat, release
from sartor.resources.store import Resource, Store

LEASE = 15.0
NOW = 1_700_000_000.0


def arn_of(number: int) -> str:
    return f"arn:aws:personalize:eu-central-1:111122223333:dataset-group/g{number}"


def owe(store: Store, count: int = 1, verb: lifecycle.Verb = "create", kind: str = "dataset-group") -> None:
    """Write resources that wait for work."""
    with store.write() as transaction:
        for number in range(count):
            status = lifecycle.status_of(kind, verb, "waiting")
            transaction.add(
                Resource(
                    arn_of(number), kind, "111122223333", "eu-central-1", "g", status, {}, {"a": 1}, NOW, NOW
                )
            )
            lifecycle.owe(transaction, arn_of(number), kind, verb)


def take(store: Store, worker: str = "one", now: float = NOW) -> Task | None:
    return claim(store, worker, LANES, now, LEASE)


def claimed(store: Store, worker: str = "one", now: float = NOW) -> Task:
    task = take(store, worker, now)
    assert task is not None
    return task


def status(store: Store, number: int = 0) -> str | None:
    found = store.get(arn_of(number))
    assert found is not None
    return found.status


def test_a_claim_shows_on_the_resource(store: Store) -> None:
    owe(store)
    assert status(store) == "CREATE PENDING"
    task = claimed(store, now=NOW + 5)
    assert (task.arn, task.verb, task.attempt, task.worker) == (arn_of(0), "create", 1, "one")
    assert task.resource.private == {"a": 1}
    assert status(store) == "CREATE IN_PROGRESS"
    found = store.get(arn_of(0))
    assert found is not None
    assert (found.created_at, found.updated_at) == (NOW, NOW + 5)


def test_the_oldest_task_is_claimed_first(store: Store) -> None:
    owe(store, 3)
    assert [claimed(store).arn for _ in range(3)] == [arn_of(0), arn_of(1), arn_of(2)]
    assert take(store) is None


def test_a_worker_claims_only_from_its_lanes(store: Store) -> None:
    owe(store)
    assert claim(store, "one", ("heavy",), NOW, LEASE) is None
    assert claim(store, "one", ("heavy", "quick"), NOW, LEASE) is not None


def test_many_workers_get_each_task_exactly_once(store: Store) -> None:
    owe(store, 60)
    barrier = threading.Barrier(6)

    def take_all(worker: int) -> list[str]:
        barrier.wait()
        mine = []
        while task := take(store, f"w{worker}"):
            mine.append(task.arn)
            assert finish(store, task)
        return mine

    with ThreadPoolExecutor(6) as pool:
        taken = Counter(arn for mine in pool.map(take_all, range(6)) for arn in mine)
    assert taken == Counter({arn_of(number): 1 for number in range(60)})
    assert {status(store, number) for number in range(60)} == {"ACTIVE"}


def test_finishing_makes_the_resource_active_and_keeps_what_is_private(store: Store) -> None:
    owe(store)
    assert finish(store, claimed(store), Outcome(private={"b": 2}))
    found = store.get(arn_of(0))
    assert found is not None
    assert (found.status, found.private, found.failure_reason) == ("ACTIVE", {"a": 1, "b": 2}, None)
    assert take(store, now=NOW + 1000) is None


def test_failing_says_why(store: Store) -> None:
    owe(store)
    assert fail(store, claimed(store), "Disk full.")
    found = store.get(arn_of(0))
    assert found is not None
    assert (found.status, found.failure_reason) == ("CREATE FAILED", "Disk full.")
    assert take(store, now=NOW + 1000) is None


def test_finishing_a_deletion_removes_the_resource(store: Store) -> None:
    owe(store, verb="delete")
    task = claimed(store)
    assert status(store) == "DELETE IN_PROGRESS"
    assert finish(store, task)
    assert store.get(arn_of(0)) is None


def test_a_deletion_that_failed_can_be_tried_again(store: Store) -> None:
    owe(store, verb="delete")
    assert fail(store, claimed(store), "Storage is away.")
    assert status(store) == "CREATE FAILED"


def test_data_deletion_jobs_have_words_of_their_own(store: Store) -> None:
    owe(store, kind="data-deletion-job")
    assert status(store) == "PENDING"
    task = claimed(store)
    assert status(store) == "IN_PROGRESS"
    assert finish(store, task)
    assert status(store) == "COMPLETED"


def test_a_lease_keeps_others_away_until_it_lapses(store: Store) -> None:
    owe(store)
    claimed(store)
    assert take(store, "two", NOW + LEASE - 0.1) is None
    again = claimed(store, "two", NOW + LEASE)
    assert (again.attempt, again.worker) == (2, "two")


def test_a_heartbeat_renews_the_lease_and_keeps_the_progress(store: Store) -> None:
    owe(store)
    task = claimed(store)
    assert heartbeat(store, task, NOW + 10, LEASE, {"rows": 5})
    assert heartbeat(store, task, NOW + 11, LEASE)
    assert take(store, "two", NOW + 20) is None
    again = claimed(store, "two", NOW + 11 + LEASE)
    assert again.progress == {"rows": 5}
    with store.read() as transaction:
        row = transaction.task(task.arn)
    assert row is not None
    assert row.progress == {"rows": 5}


def test_whoever_lost_the_lease_changes_nothing(store: Store) -> None:
    owe(store)
    lost = claimed(store)
    kept = claimed(store, "two", NOW + LEASE)
    assert not heartbeat(store, lost, NOW + LEASE, LEASE, {"rows": 1})
    assert not finish(store, lost, Outcome(private={"b": 1}))
    assert not fail(store, lost, "Late.")
    assert status(store) == "CREATE IN_PROGRESS"
    assert finish(store, kept)
    assert not finish(store, lost)
    assert not fail(store, kept, "Twice.")
    found = store.get(arn_of(0))
    assert found is not None
    assert (found.status, found.private, found.failure_reason) == ("ACTIVE", {"a": 1}, None)


def test_the_same_worker_does_not_end_its_own_later_attempt(store: Store) -> None:
    owe(store)
    first = claimed(store)
    second = claimed(store, now=NOW + LEASE)
    assert not finish(store, first)
    assert finish(store, second)


def test_a_lapsed_lease_still_ends_the_task_if_nobody_took_it(store: Store) -> None:
    owe(store)
    assert finish(store, claimed(store), now=NOW + 10 * LEASE)
    assert status(store) == "ACTIVE"


def die_again_and_again(store: Store) -> float:
    """Claim and never end, as often as it is allowed; return when the last lease lapses."""
    now = NOW
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert claimed(store, f"w{attempt}", now).attempt == attempt
        now += LEASE
    return now


def test_work_that_never_ends_is_given_up_with_a_reason(store: Store) -> None:
    owe(store)
    assert take(store, now=die_again_and_again(store)) is None
    found = store.get(arn_of(0))
    assert found is not None
    assert found.status == "CREATE FAILED"
    assert found.failure_reason is not None
    assert "5 times" in found.failure_reason


@pytest.mark.parametrize(("stands", "outcome"), [(True, "ACTIVE"), (False, "CREATE FAILED")])
def test_work_that_is_given_up_keeps_an_outcome_that_stands(store: Store, stands: bool, outcome: str) -> None:
    owe(store)
    now = die_again_and_again(store)
    assert claim(store, "last", ("quick",), now, LEASE, settled=lambda _task: stands) is None
    assert status(store) == outcome


def test_work_on_what_is_damaged_is_given_up_with_what_is_and_holds_up_no_other(store: Store) -> None:
    owe(store, 2)
    now = die_again_and_again(store)

    def unreadable(_task: Task) -> bool:
        raise Damaged("The table t is damaged.")

    other = claim(store, "last", ("quick",), now, LEASE, settled=unreadable)
    found = store.get(arn_of(0))
    assert found is not None
    assert (found.status, found.failure_reason) == ("CREATE FAILED", "The table t is damaged.")
    assert other is not None
    assert other.arn == arn_of(1)


def test_while_nobody_can_tell_whether_work_is_done_it_is_asked_again_and_holds_up_no_other(
    store: Store,
) -> None:
    owe(store, 2)
    now = die_again_and_again(store)
    answers: list[Exception | bool] = [ConnectionError("storage is away"), OSError("still"), True]

    def asked(_task: Task) -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    other = claim(store, "last", ("quick",), now, LEASE, settled=asked)
    assert other is not None
    assert other.arn == arn_of(1)
    assert status(store) == "CREATE IN_PROGRESS"
    assert finish(store, other)
    for _ in range(2):
        now += lifecycle.ASKED_AGAIN_SECONDS
        assert claim(store, "last", ("quick",), now, LEASE, settled=asked) is None
    assert status(store) == "ACTIVE"
    assert not answers


def test_what_nobody_can_ever_tell_of_has_failed_in_the_end(store: Store) -> None:
    owe(store)
    now = die_again_and_again(store)

    def away(_task: Task) -> bool:
        raise ConnectionError("storage is away")

    while status(store) == "CREATE IN_PROGRESS":
        assert claim(store, "last", ("quick",), now, LEASE, settled=away) is None
        now += lifecycle.ASKED_AGAIN_SECONDS
    assert status(store) == "CREATE FAILED"
    assert now - NOW > 1200, "storage may be away for some time"


def test_what_is_written_down_in_the_middle_needs_the_lease(store: Store) -> None:
    owe(store)
    lost = claimed(store)
    held = claimed(store, "two", NOW + LEASE)
    with pytest.raises(Stopped):
        lifecycle.keep(store, lost, {"a": 1})
    lifecycle.keep(store, held, {"a": 2})
    found = store.get(arn_of(0))
    assert found is not None
    assert found.private["a"] == 2


def test_what_the_work_made_is_written_when_it_ends_and_only_by_who_holds_the_lease(store: Store) -> None:
    owe(store, 2)
    lost = claimed(store)
    outcome = Outcome(
        {"c": 3},
        {"d": 4},
        removes=(arn_of(1),),
        also=lambda transaction: transaction.set_tags(arn_of(0), {"k": "v"}),
    )
    held = claimed(store, "two", NOW + LEASE)
    assert not finish(store, lost, outcome)
    found = store.get(arn_of(0))
    assert found is not None
    assert "c" not in found.body
    assert store.get(arn_of(1)) is not None
    assert finish(store, held, outcome)
    found = store.get(arn_of(0))
    assert found is not None
    assert (found.body["c"], found.private["d"], found.status) == (3, 4, "ACTIVE")
    assert store.get(arn_of(1)) is None
    with store.read() as transaction:
        assert transaction.tags(arn_of(0)) == {"k": "v"}


def test_a_resource_that_goes_takes_its_work_along(store: Store) -> None:
    owe(store, 2)
    with store.write() as transaction:
        transaction.remove(arn_of(0))
    assert claimed(store).arn == arn_of(1)
    with store.read() as transaction:
        assert [task.arn for task in transaction.tasks()] == [arn_of(1)]


def test_work_for_what_is_gone_holds_up_no_lane(store: Store) -> None:
    owe(store, 2)
    with store.write() as transaction:
        transaction.remove(arn_of(0))
        transaction.remove(arn_of(1))
        for number in (7, 8):
            lifecycle.owe(transaction, arn_of(number), "dataset-group", "create")
    owe(store)
    assert claimed(store).arn == arn_of(0)
    with store.read() as transaction:
        assert [task.arn for task in transaction.tasks()] == [arn_of(0)]


def test_one_resource_has_one_piece_of_work_at_a_time(store: Store) -> None:
    owe(store)
    with pytest.raises(Exception, match=r"(?i)unique"), store.write() as transaction:
        lifecycle.owe(transaction, arn_of(0), "dataset-group", "delete")


def test_a_task_that_is_given_back_is_claimed_at_once_and_does_not_count(store: Store) -> None:
    owe(store)
    for _ in range(2 * MAX_ATTEMPTS):
        task = claimed(store)
        assert task.attempt == 1
        assert release(store, task)
        assert not finish(store, task)
    lost = claimed(store)
    claimed(store, "two", NOW + LEASE)
    assert not release(store, lost)


@pytest.mark.parametrize("reason", ["a\x00b", "a\udcffb"])
def test_a_reason_may_quote_any_broken_cell(store: Store, reason: str) -> None:
    owe(store)
    assert fail(store, claimed(store), reason)
    found = store.get(arn_of(0))
    assert found is not None
    assert found.failure_reason is not None
    assert found.failure_reason[0] + found.failure_reason[2] == "ab"


def _die(url: str, moment: str) -> None:
    """Claim the task in a process of its own and be killed: inside a transaction, or right after one."""
    store = Store.open(url)
    task = claimed(store, "doomed")
    if moment == "while finishing":
        with store.write() as transaction:
            transaction.end_task(task.id, task.worker, task.attempt)
            transaction.set_status(task.arn, "ACTIVE", NOW)
            os.kill(os.getpid(), signal.SIGKILL)
    if moment == "after finishing":
        finish(store, task)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("after claiming", "CREATE IN_PROGRESS"),
        ("while finishing", "CREATE IN_PROGRESS"),
        ("after finishing", "ACTIVE"),
    ],
)
def test_a_killed_worker_leaves_nothing_half_done(database_url: str, moment: str, shown: str) -> None:
    store = Store.open(database_url)
    owe(store)
    process = multiprocessing.get_context("spawn").Process(target=_die, args=(database_url, moment))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert status(store) == shown
    again = take(store, "two", NOW + LEASE)
    assert (again is None) == (shown == "ACTIVE")
    if again is not None:
        assert again.attempt == 2
        assert finish(store, again)
    assert status(store) == "ACTIVE"
    store.close()
