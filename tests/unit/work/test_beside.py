"""What a training lets other processes do: the same comes of it as of what it does itself."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compute_work
from sartor.compute import open_compute
from sartor.compute.contract import Compute, Need
from sartor.data.blobs import open_storage
from sartor.models import evaluation
from sartor.models.base import Histories, Run, TrainingData
from sartor.recipes import BY_ARN
from sartor.work import tuning
from sartor.work.beside import Beside
from sartor.work.trials import Trials
from sartor.work.tuning import Candidate, Search, tuned
from spread_checks import InTurn

SIMS = BY_ARN["arn:aws:personalize:::recipe/aws-sims"]


@dataclass(frozen=True)
class Far:
    """Stands for a cluster of some processors that is not to be asked for more."""

    slots: int
    far: bool = True


@dataclass(frozen=True)
class Given:
    """What of a worker's tools it is made of."""

    compute: Any
    storage: Any
    scratch: Path
    memory_bytes: int = 10**8


@pytest.fixture
def given(tmp_path: Path) -> Given:
    (tmp_path / "scratch").mkdir()
    storage = open_storage(str(tmp_path / "storage"), None, tmp_path / "scratch")
    return Given(open_compute("processes:2"), storage, tmp_path / "scratch")


class Counting(InTurn):
    """Keeps what each map needs."""

    slots = 4

    def __init__(self) -> None:
        super().__init__()
        self.needs: list[Need] = []

    def map(self, work: Any, pieces: Any, need: Need, **how: Any) -> None:
        self.needs.append(need)
        super().map(work, pieces, need, **how)


def beside(given: Given, compute: Compute | Far | None = None, run: Run | None = None) -> Beside:
    of = given if compute is None else replace(given, compute=compute)
    return Beside(of, "group/version/1-1", run or Run(threads=2))  # type: ignore[arg-type]


def test_a_gang_has_the_processors_of_the_process_at_least(given: Given) -> None:
    sizes = {
        (name, threads): beside(given, open_compute(name), Run(threads=threads)).gang.size()
        for name in ("here", "processes:2", "processes:20")
        for threads in (1, 2, 4, 16)
    }
    assert [sizes["here", threads] for threads in (1, 2, 4, 16)] == [1, 1, 1, 1]
    assert [sizes["processes:2", threads] for threads in (1, 2, 4, 16)] == [1, 2, 2, 2]
    assert [sizes["processes:20", threads] for threads in (1, 2, 4, 16)] == [1, 2, 4, 8]
    assert beside(given, Far(4)).gang.size() == 4
    assert beside(given, Far(400)).gang.size() == 8
    assert beside(given, Far(4), Run(threads=6)).gang.size() == 1  # it is quicker alone


def test_a_gang_elsewhere_needs_files_that_it_sees(given: Given, tmp_path: Path) -> None:
    class Copies:
        makes_copies = True

    away = replace(given, storage=Copies())
    assert beside(away, Far(4)).gang.size() == 1
    assert beside(away).gang.size() == 2


def test_a_gang_has_the_argument_and_leaves_nothing(given: Given) -> None:
    found = beside(given)
    assert found.members == 1
    together = found.gang.together
    assert together is not None
    size, total = together(compute_work.sum_of_argument, {"numbers": np.arange(200_000.0)})
    assert (size, total) == (2, 2 * 199_999 * 100_000.0)
    assert found.members == 2
    assert list(given.scratch.iterdir()) == []


def sims_search(run: Run, trials: Trials) -> tuple[Candidate, Search]:
    rng = np.random.default_rng(0)
    histories = Histories(
        ((np.arange(3_000) + rng.integers(0, 3, 3_000)) % 40).astype(np.int32),
        np.arange(0, 3_001, 10, dtype=np.int64),
        np.arange(3_000),
    )
    candidate = Candidate(SIMS, SIMS.trainer, TrainingData(40, histories))
    return candidate, Search(evaluation.split(histories, run.seed), {}, run, trials)


def test_trials_beside_each_other_find_what_they_find_one_after_the_other(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "5"}}}
    said: list[dict[str, Any]] = []
    run = Run(threads=2, progress=lambda done: said.append(dict(done)))
    alone = Trials(given.storage, "alone")
    candidate, search = sims_search(run, alone)
    expected = tuned(candidate, config, search)
    monkeypatch.setattr(tuning, "_LONG_SECONDS", 0.0)
    said.clear()
    trials = Trials(given.storage, "beside", beside(given, run=run))
    candidate, search = sims_search(run, trials)
    assert tuned(candidate, config, search) == expected
    kept = [given.storage.get(f"{folder}/trials.json") for folder in ("alone", "beside")]
    assert sorted(kept[0]) == sorted(kept[1])
    assert [one["trials"] for one in said if one["phase"] == "tuning"].count(4) == 4  # all but the first
    assert list(given.scratch.iterdir()) == []


@pytest.mark.parametrize(("allowed", "at_once"), [(None, None), ("1", 1), ("2", 2)])
def test_no_more_trials_run_beside_each_other_than_the_solution_allows(
    given: Given, monkeypatch: pytest.MonkeyPatch, allowed: str | None, at_once: int | None
) -> None:
    monkeypatch.setattr(tuning, "_LONG_SECONDS", 0.0)
    in_turn = Counting()
    run = Run(threads=8)
    candidate, search = sims_search(run, Trials(beside=beside(given, in_turn, run)))
    parallel = {} if allowed is None else {"maxParallelTrainingJobs": allowed}
    config = {"hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "5", **parallel}}}
    tuned(candidate, config, search)
    assert [(need.most, need.threads) for need in in_turn.needs] == (
        [] if at_once == 1 else [(at_once, 8 // min(at_once or 4, 4))]
    )
