"""Propensities: planted ones are found again, and thresholds and periods are those of the guide."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.data.dataset_types import ACTION_EVENT_TYPES
from sartor.models import action_evaluation, actions, base, propensity
from sartor.models.actions import NOT_TAKEN, TAKEN, VIEWED, enough, trials
from sartor.models.base import Acting, Histories, Model, Person, Query, Run, Stopped, TrainingData
from unit.models.actions_of_people import CHANCES, DAY, ITEMS_EACH, events_of, planted

QUIET = Run(threads=1)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return planted()


@pytest.fixture(scope="module")
def model(data: TrainingData) -> Model:
    return propensity.fit(data, None, QUIET)


def liking(taste: int, *events: tuple[int, int], attributes: tuple[int, ...] = ()) -> Query:
    """Return who likes the items of a taste, and did some things with actions."""
    person = Person(
        np.array([action for action, _ in events], np.int32),
        np.array([kind for _, kind in events], np.int8),
        np.array(attributes, np.int32),
    )
    return Query(np.arange(6, dtype=np.int32) + ITEMS_EACH * taste, person=person)


def test_the_types_are_numbered_as_the_service_names_them() -> None:
    numbers = [getattr(actions, name) for name in ACTION_EVENT_TYPES]
    assert numbers == [0, 1, 2] == list(range(actions.N_TYPES))


def test_planted_chances_are_found_again(model: Model) -> None:
    for taste, wanted in enumerate(CHANCES):
        assert model.score(liking(taste)) == pytest.approx(wanted, abs=0.2)
        assert np.argmax(model.score(liking(taste))) == np.argmax(wanted)


def test_what_somebody_did_with_actions_says_who_it_is(model: Model) -> None:
    nobody = Query(np.zeros(0, np.int32))
    first = replace(nobody, person=liking(0, (0, TAKEN), (1, VIEWED), (1, NOT_TAKEN)).person)
    second = replace(nobody, person=liking(0, (1, TAKEN), (0, VIEWED), (0, NOT_TAKEN)).person)
    assert model.score(first)[4] > model.score(nobody)[4] > model.score(second)[4]


def test_of_who_is_unknown_the_chances_are_those_of_all(model: Model) -> None:
    assert model.score(Query(np.zeros(0, np.int32))) == pytest.approx(CHANCES.mean(axis=0), abs=0.25)


def test_attributes_of_users_say_what_items_do_not() -> None:
    found = propensity.fit(planted(attributes=True), None, QUIET)
    gaps = found.score(liking(0, attributes=(0,))) - found.score(liking(0, attributes=(1,)))
    assert np.sign(gaps[[0, 1, 4]]).tolist() == [1, -1, 1]
    assert gaps[0] > 0.3


def test_of_noise_no_more_is_learned_than_the_rates() -> None:
    data = planted(120)
    shuffled = np.random.default_rng(1).permutation(data.histories.items)
    types = data.acting.events.types.copy()
    outcomes = np.flatnonzero(types != VIEWED)
    types[outcomes] = np.random.default_rng(2).permutation(types[outcomes])
    acting = replace(data.acting, events=replace(data.acting.events, types=types))
    histories = Histories(shuffled, data.histories.offsets, data.histories.times)
    found = propensity.fit(TrainingData(data.n_items, histories, acting=acting), None, QUIET)
    rate = (types[outcomes] == TAKEN).mean()
    assert found.score(liking(0)) == pytest.approx(np.full(5, rate), abs=0.15)


def test_it_ranks_held_out_actions_better_than_their_popularity(data: TrainingData) -> None:
    held_out = action_evaluation.held_out(data, 0)
    fitted = propensity.fit(held_out.train, None, QUIET)
    metrics = held_out.measure(fitted, QUIET).metrics
    nobody = fitted.score(Query(np.zeros(0, np.int32)))

    class Popular(propensity.PropensityModel):
        def score(self, query: Query) -> np.ndarray:
            return nobody

    baseline = held_out.measure(Popular.restored(fitted.settings(), fitted.arrays()), QUIET).metrics
    examined = held_out.measure(fitted, QUIET).examination
    assert examined.warnings() == []
    assert set(examined.columns) == {"version", "popularity"}
    assert examined.differences["popularity"]["normalized_discounted_cumulative_gain_at_25"].low > 0
    assert metrics["auc"] > baseline["auc"] + 0.08
    gain = "normalized_discounted_cumulative_gain_at_5"
    assert metrics[gain] > baseline[gain] + 0.1


def test_a_saved_model_answers_as_before(model: Model, tmp_path: Path) -> None:
    base.save(model, tmp_path)
    again = base.load(tmp_path)
    for query in (liking(0), liking(1, (0, TAKEN)), Query(np.zeros(0, np.int32))):
        assert np.array_equal(again.score(query), model.score(query))


def test_equal_data_give_equal_models(data: TrainingData, model: Model) -> None:
    again = propensity.fit(data, None, QUIET)
    assert all(np.array_equal(array, again.arrays()[name]) for name, array in model.arrays().items())


def test_a_training_stops_when_it_is_told_to(data: TrainingData) -> None:
    with pytest.raises(Stopped):
        propensity.fit(data, None, Run(stop=lambda: True))


@pytest.mark.parametrize("types", [(), (TAKEN,), (VIEWED, NOT_TAKEN)])
def test_without_takers_and_others_no_action_has_a_score(types: tuple[int, ...]) -> None:
    rows = [(user, 60 * user, 0, kind) for user in range(60) for kind in types]
    histories = Histories(np.zeros(0, np.int32), np.zeros(61, np.int64), np.zeros(0, np.int64))
    data = TrainingData(20, histories, acting=Acting(2, events_of(*rows, users=60)))
    assert propensity.fit(data, None, QUIET).score(liking(0)).tolist() == [0.0, 0.0]
    no_actions = replace(data, acting=Acting(0, events_of(users=60)))
    assert propensity.fit(no_actions, None, QUIET).score(Query(np.zeros(0, np.int32))).shape == (0,)


@pytest.mark.parametrize(
    ("taken", "refused", "viewed", "late", "wanted"),
    [
        (50, 50, 0, 0, True),
        (50, 0, 50, 0, True),
        (50, 20, 30, 0, True),
        (49, 60, 0, 0, False),
        (50, 20, 29, 0, False),
        (50, 50, 0, 1, False),
    ],
)
def test_an_action_is_scored_from_fifty_of_either_within_six_weeks(
    taken: int, refused: int, viewed: int, late: int, wanted: bool
) -> None:
    kinds = [TAKEN] * taken + [NOT_TAKEN] * refused + [VIEWED] * viewed
    rows = [(user, 0 if user < late else 42 * DAY, 0, kind) for user, kind in enumerate(kinds)]
    edge = (len(kinds), 42 * DAY + (1 if late else 0), 1, VIEWED)  # the newest of all, of another action
    found = enough(events_of(*rows, edge), 2, least=50, span_seconds=42 * DAY)
    assert found.tolist() == [wanted, False]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 1), st.integers(0, 2)),
        max_size=30,
        unique=True,
    )
)
def test_trials_are_what_a_loop_over_each_users_events_finds(rows: list[tuple[int, int, int, int]]) -> None:
    period, wanted = 7, []
    for user in range(3):
        for action in range(2):
            own = sorted((at, kind) for who, at, what, kind in rows if (who, what) == (user, action))
            while own:
                begin = own[0][0]
                within = [kind for at, kind in own if at <= begin + period]
                wanted.append((user, action, begin, TAKEN in within))
                own = own[len(within) :]
    found = trials(events_of(*rows, users=3), period)
    listed = zip(
        *(one.tolist() for one in (found.users, found.actions, found.times, found.taken)), strict=True
    )
    assert list(listed) == wanted
