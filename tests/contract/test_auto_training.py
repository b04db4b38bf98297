"""Automatic training: when it begins, what restarts its schedule, and what counts as new data."""

from dataclasses import replace
from typing import Any

import pytest

from contract.conftest import recipe_arn
from sartor.data.put import Row
from sartor.resources import lifecycle
from sartor.resources.schedule import DAY_SECONDS, FIRST_SECONDS, due_training
from sartor.work.auto_training import has_new_data

HOUR = 3600.0
PREFIX = "arn:aws:personalize:eu-central-1:111122223333"


class Clock:
    """A clock that stands until it is set."""

    now = 1.7e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(service: Any) -> Clock:
    clock = Clock()
    service.control._clock = clock
    return clock


def due(service: Any, now: float, new: bool = True) -> list[str]:
    begun = due_training(service.store, now, lambda _solution, _since: new, True)
    assert new or not begun
    return begun


def test_the_first_training_begins_within_an_hour(service: Any, clock: Clock) -> None:
    solution = service.solution()
    assert due(service, clock.now + FIRST_SECONDS - 1) == []
    assert due(service, clock.now + HOUR, new=False) == []
    (version,) = due(service, clock.now + HOUR)
    shown = service.described("SolutionVersion", version)
    assert (shown["trainingType"], shown["trainingMode"]) == ("AUTOMATIC", "FULL")
    assert (shown["status"], shown["solutionArn"]) == ("CREATE PENDING", solution)
    assert shown["creationDateTime"] == clock.now + HOUR
    assert due(service, clock.now + 100 * DAY_SECONDS) == []  # while one is at work none begins
    service.work()
    assert service.described("SolutionVersion", version)["status"] == "ACTIVE"


def test_a_manual_training_in_the_first_hour_begins_the_schedule(service: Any, clock: Clock) -> None:
    solution = service.solution()
    clock.now += 600
    service.version(solution)
    began = clock.now
    assert due(service, began + HOUR) == []
    assert due(service, began + 7 * DAY_SECONDS - 1) == []
    assert due(service, began + 7 * DAY_SECONDS, new=False) == []
    assert len(due(service, began + 7 * DAY_SECONDS)) == 1


def test_the_schedule_counts_from_the_beginning_of_the_last_training(service: Any, clock: Clock) -> None:
    config = {"autoTrainingConfig": {"schedulingExpression": "rate(2 days)"}}
    service.solution(solutionConfig=config)
    began = clock.now + HOUR
    assert len(due(service, began)) == 1
    service.work()
    assert due(service, began + 2 * DAY_SECONDS - 1) == []
    (second,) = due(service, began + 2 * DAY_SECONDS)
    service.work({second: "No."})
    assert due(service, began + 4 * DAY_SECONDS - 1) == []  # one that failed counts too
    assert len(due(service, began + 4 * DAY_SECONDS)) == 1


def test_only_solutions_that_want_it_are_trained(service: Any, clock: Clock) -> None:
    group = service.data_group()
    service.solution(group, "off", performAutoTraining=False)
    assert due(service, clock.now + 100 * DAY_SECONDS) == []


@pytest.mark.parametrize(
    ("before", "update", "restarts"),
    [
        (False, {"performAutoTraining": True}, True),
        (
            True,
            {"solutionUpdateConfig": {"autoTrainingConfig": {"schedulingExpression": "rate(9 days)"}}},
            True,
        ),
        (
            True,
            {"solutionUpdateConfig": {"autoTrainingConfig": {"schedulingExpression": "rate(7 days)"}}},
            False,
        ),
        (True, {"performAutoTraining": True}, False),
        (True, {"performAutoTraining": False}, False),
    ],
)
def test_what_turns_it_on_or_changes_its_frequency_restarts_it(
    service: Any, clock: Clock, before: bool, update: dict[str, Any], restarts: bool
) -> None:
    solution = service.solution(performAutoTraining=before)
    service.version(solution)
    clock.now += DAY_SECONDS
    service("UpdateSolution", solutionArn=solution, **update)
    service.work()
    assert due(service, clock.now + FIRST_SECONDS - 1) == []
    assert (len(due(service, clock.now + HOUR)) == 1) == restarts


def test_a_restart_is_left_to_who_trains_within_the_hour(service: Any, clock: Clock) -> None:
    solution = service.solution(performAutoTraining=False)
    service.version(solution)
    clock.now += DAY_SECONDS
    service("UpdateSolution", solutionArn=solution, performAutoTraining=True)
    service.work()
    clock.now += 60
    service.version(solution)
    assert due(service, clock.now + HOUR) == []
    assert len(due(service, clock.now + 7 * DAY_SECONDS)) == 1


def test_the_quota_of_trainings_delays_it(service: Any, clock: Clock) -> None:
    group = service.data_group()
    service.solution(group, "mine")
    other = service.solution(group, "other")
    for _ in range(20):
        service("CreateSolutionVersion", solutionArn=other)
    assert due(service, clock.now + HOUR) == []
    service.work()
    assert len(due(service, clock.now + HOUR)) == 1


def test_a_version_of_its_own_account_and_region(service: Any, clock: Clock, stranger: Any) -> None:
    service.solution(caller=stranger)
    (version,) = due(service, clock.now + HOUR)
    assert version.startswith("arn:aws:personalize:eu-central-1:444455556666:solution/sol/")
    assert service("ListSolutionVersions")["solutionVersions"] == []


@pytest.mark.parametrize("recipe", ["aws-sims", "aws-semantic-similarity"])
def test_imports_and_put_records_are_new_data(service: Any, clock: Clock, recipe: str) -> None:
    group = service.group()
    store, interactions = service.store, service.dataset(group=group)
    items = store.get(service.dataset("Items", group))
    sims = service.solution(group, recipeArn=recipe_arn("aws-sims"))
    solution = store.get(sims)
    solution = replace(solution, body={**solution.body, "recipeArn": recipe_arn(recipe)})
    assert not has_new_data(store, solution, 0.0)
    job = service.job(interactions)
    assert not has_new_data(store, solution, 0.0)
    task = lifecycle.claim(store, "w", ("heavy",), clock.now, 15.0)
    assert lifecycle.finish(store, task, now=clock.now + 5)
    assert task.arn == job
    assert has_new_data(store, solution, clock.now)
    assert not has_new_data(store, solution, clock.now + 5)
    put(service, items.seq)
    assert has_new_data(store, solution, clock.now + 5) == (recipe == "aws-semantic-similarity")
    put(service, store.get(interactions).seq)
    assert has_new_data(store, solution, clock.now + 5)
    assert not has_new_data(store, solution, 1e10)


def test_users_and_items_alone_are_no_new_data_and_action_interactions_are_for_actions(
    service: Any, clock: Clock
) -> None:
    group, store = service.group(), service.store
    datasets = {
        name: store.get(service.dataset(name, group)).seq
        for name in ("Interactions", "Items", "Users", "Actions", "ActionInteractions")
    }
    solution = store.get(service.solution(group))
    of_actions = replace(solution, body={**solution.body, "recipeArn": recipe_arn("aws-next-best-action")})
    for name in ("Items", "Users", "Actions"):
        put(service, datasets[name])
    assert not has_new_data(store, solution, 0.0)
    assert not has_new_data(store, of_actions, 0.0)
    put(service, datasets["ActionInteractions"])
    assert not has_new_data(store, solution, 0.0)
    assert has_new_data(store, of_actions, 0.0)
    put(service, datasets["Interactions"])
    assert has_new_data(store, solution, 0.0)


def put(service: Any, dataset: int) -> None:
    service.store.put_records.put(dataset, [Row("u", {"USER_ID": "u"})]).result()


def test_a_training_that_began_by_itself_is_like_one_that_was_asked_for(service: Any, clock: Clock) -> None:
    solution = service.solution()
    (own,) = due(service, clock.now + HOUR)
    service.work()
    asked = service.version(solution)
    with service.store.read() as transaction:
        first, second = (transaction.get(arn) for arn in (own, asked))
        assert transaction.parents(own) == transaction.parents(asked)
        assert transaction.tags(own) == transaction.tags(asked) == {}
    assert first.body == {**second.body, "trainingType": "AUTOMATIC"}
    assert (first.status, first.name.rpartition("/")[0]) == (second.status, second.name.rpartition("/")[0])
    assert first.private.keys() == second.private.keys()
