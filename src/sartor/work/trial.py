"""One trial of a training: a model is fitted and measured, here or beside others in a process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sartor.compute.carried import unpacked
from sartor.compute.contract import Heard
from sartor.models import evaluation
from sartor.models.base import Histories, Run, TrainingData
from sartor.models.evaluation import Split
from sartor.recipes.trainers import Parameters, Trainer

#: What decides unless the solution says.
OBJECTIVE: Final = "normalized_discounted_cumulative_gain_at_25"


@dataclass(frozen=True)
class Given:
    """What trials are given that are made beside each other.

    Attributes:
        trials: the trainer of each, its data, and its parameters.
        histories: of which some are held out.
        metric: by which they are compared.
        seed, threads, at_once: of their runs.
    """

    trials: Sequence[tuple[Trainer, TrainingData, Parameters]]
    histories: Histories
    metric: str
    seed: int
    threads: int
    at_once: int


def measured(
    trainer: Trainer, data: TrainingData, parameters: Parameters, split: Split, metric: str, run: Run
) -> float:
    """Return how good the model of a trainer is with some parameters.

    Args:
        trainer: fits it.
        data: of which the split's part is what it is fitted on.
        parameters: all that are set.
        split: what is held out.
        metric: by its name; where it is not measured, ``OBJECTIVE``.
        run: how it runs.
    """
    part = TrainingData(data.n_items, split.train, data.features)
    found = evaluation.evaluate(trainer.fit(part, parameters, run), split, data.n_items, run=run)
    return found.get(metric, found[OBJECTIVE])


def measured_beside(piece: tuple[bytes, int], heard: Heard) -> float:
    """Return the score of one trial, in a process of its own.

    Args:
        piece: what is ``Given``, packed, and the number of the trial.
        heard: takes what its training says.
    """

    def stop() -> bool:
        heard(None)  # it raises
        return False

    given: Given = unpacked(piece[0])
    trainer, data, parameters = given.trials[piece[1]]
    run = Run(given.seed, given.threads, heard, stop, at_once=given.at_once)
    split = evaluation.split(given.histories, given.seed)
    return measured(trainer, data, parameters, split, given.metric, run)
