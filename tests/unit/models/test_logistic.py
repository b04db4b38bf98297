"""Logistic regression against what its derivation says."""

import numpy as np
import pytest

from sartor.models import logistic


def examples(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    truth = np.array([1.0, -2.0, 0.5])
    return x, rng.random(n) < logistic.chances(x @ truth), truth


def test_at_the_weights_the_gradient_of_loss_and_prior_is_nothing() -> None:
    x, y, _ = examples()
    mean, precision = np.array([0.5, 0.0, -0.5]), np.array([2.0, 0.1, 30.0])
    offset = np.linspace(-1, 1, len(y))
    found = logistic.weights(x, y, mean, precision, offset)
    gradient = x.T @ (logistic.chances(x @ found + offset) - y) + precision * (found - mean)
    assert np.abs(gradient).max() < 1e-3


def test_enough_examples_bring_the_true_weights_and_a_strong_prior_its_mean() -> None:
    x, y, truth = examples(20_000)
    assert logistic.weights(x, y, np.zeros(3), np.full(3, 1e-6)) == pytest.approx(truth, abs=0.1)
    told = np.array([3.0, 3.0, 3.0])
    assert logistic.weights(x[:50], y[:50], told, np.full(3, 1e8)) == pytest.approx(told, abs=1e-3)


def test_examples_that_a_line_parts_keep_finite_weights_by_the_prior() -> None:
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    found = logistic.weights(x, x[:, 0] > 0, np.zeros(1), np.ones(1))
    assert 0 < found[0] < 10


def test_chances_and_losses_are_right_far_from_nothing() -> None:
    logits = np.array([-800.0, -1.0, 0.0, 1.0, 800.0])
    assert logistic.chances(logits) == pytest.approx([0.0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1.0])
    happened = np.array([False, True, True, False, True])
    wanted = -np.log([1.0, 1 / (1 + np.e), 0.5, 1 / (1 + np.e), 1.0]).sum()
    assert logistic.loss(logits, happened) == pytest.approx(wanted)
