"""The sequence model: what it learns, and that its answers in numpy are those of torch."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.models import base, best, sequence
from sartor.models.base import Float32, Histories, Query, Run, Stopped, TrainingData
from sartor.models.sequence_catalogue import Catalogue
from sartor.models.sequence_config import Amount

torch = pytest.importorskip("torch")

#: One thread: two wait for each other where other tests run beside them.
QUIET = Run(threads=1)
SMALL = sequence.Config(d=16, heads=2, dropout=0.1, epochs=3, window=12)


def histories_of(lists: list[list[int]], weights: list[float] | None = None) -> Histories:
    items = np.array([item for one in lists for item in one], np.int32)
    return Histories(
        items=items,
        offsets=np.cumsum([0, *map(len, lists)]),
        times=np.arange(len(items)),
        weights=None if weights is None else np.array(weights, np.float32),
    )


def walks(n_items: int, users: int, longest: int, seed: int = 0) -> TrainingData:
    """Everyone starts anywhere in a circle of items and goes on to the next one."""
    rng = np.random.default_rng(seed)
    lists = []
    for _ in range(users):
        first = int(rng.integers(n_items))
        lists.append([(first + step) % n_items for step in range(int(rng.integers(2, longest)))])
    return TrainingData(n_items, histories_of(lists))


@pytest.fixture(scope="module")
def small() -> sequence.SequenceModel:
    return sequence.fit(walks(60, 150, 40), SMALL, Run(seed=1, threads=1))


def by_torch(model: sequence.SequenceModel, history: np.ndarray) -> Float32:
    from sartor.models import sequence_network

    arrays = model.arrays()
    parameters = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    inputs = [parameters["items"][torch.from_numpy(history[-model.config.window :]).long()]]
    if len(history) < model.config.window:
        inputs.insert(0, parameters["start"][None])
    states = sequence_network.forward(parameters, torch.cat(inputs)[None], model.config)
    return (states[0, -1] @ parameters["items"].T + parameters["bias"]).numpy()


@pytest.mark.parametrize("length", [0, 1, 5, 11, 12, 13, 50])
def test_numpy_answers_as_torch_does(small: sequence.SequenceModel, length: int) -> None:
    history = np.random.default_rng(length).integers(0, 60, length).astype(np.int32)
    np.testing.assert_allclose(small.score(Query(history)), by_torch(small, history), rtol=1e-4, atol=1e-5)


def test_many_queries_at_once_answer_as_each_alone(small: sequence.SequenceModel) -> None:
    rng = np.random.default_rng(0)
    queries = [Query(rng.integers(0, 60, length).astype(np.int32)) for length in rng.integers(0, 30, 50)]
    together = small.score_batch(queries)
    np.testing.assert_allclose(together, np.stack([small.score(query) for query in queries]), atol=1e-5)
    assert small.score_batch([]).shape == (0, 60)


def test_a_planted_circle_is_learnt_perfectly() -> None:
    config = sequence.Config(d=32, heads=2, dropout=0.0, epochs=10, window=20, lr=1e-2)
    model = sequence.fit(walks(50, 300, 30), config, QUIET)
    for item in range(50):
        history = np.array([item], np.int32)
        assert best.top(model.score(Query(history)), 1) == [(item + 1) % 50]
    long = np.arange(100, 145, dtype=np.int32) % 50
    assert best.top(model.score(Query(long)), 1) == [45]


def test_a_large_catalogue_learns_it_from_drawn_negatives() -> None:
    config = sequence.Config(
        d=32, heads=2, dropout=0.0, epochs=12, window=20, lr=1e-2, negatives=64, most_products=0
    )
    model = sequence.fit(walks(200, 1000, 30), config, QUIET)
    right = [
        best.top(model.score(Query(np.array([item], np.int32))), 1)[0] == (item + 1) % 200
        for item in range(200)
    ]
    assert np.mean(right) >= 0.99


def test_threads_share_a_batch_and_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    from sartor.models import sequence_training

    monkeypatch.setattr(sequence_training, "_product_type", lambda _device: torch.float32)

    data = Catalogue.of(walks(60, 150, 40))
    config = replace(SMALL, dropout=0.0, epochs=1, lr=1e-6).decided(Amount.of(data.histories))
    one, three = (sequence_training.train(data, config, Run(threads=threads))[0] for threads in (1, 3))
    for name, array in one.items():
        np.testing.assert_allclose(three[name], array, atol=1e-7)
    again, _ = sequence_training.train(data, config, Run(threads=3))
    assert all(np.array_equal(three[name], again[name]) for name in three)


def test_who_has_no_history_gets_what_others_began_with() -> None:
    lists = [[3, 7, 7], [3, 9, 7], [3, 9], [5, 9, 7]] * 50
    model = sequence.fit(
        TrainingData(12, histories_of(lists)), sequence.Config(d=16, heads=2, epochs=16), QUIET
    )
    scores = model.score(Query(np.zeros(0, np.int32)))
    assert np.isfinite(scores).all()
    assert best.top(scores, 2).tolist() == [3, 5]


def test_targets_count_as_much_as_their_weights() -> None:
    lists = [[0, 1], [0, 2]] * 100
    weights = [1.0, 1.0, 1.0, 0.0] * 100
    for most in (1 << 28, 0):
        config = sequence.Config(
            d=16, heads=2, dropout=0.1, epochs=16, lr=2e-2, most_products=most, negatives=8, smoothing=0.0
        )
        model = sequence.fit(TrainingData(4, histories_of(lists, weights)), config, QUIET)
        scores = model.score(Query(np.array([0], np.int32)))
        assert scores[1] > scores[2] + 2


def test_one_seed_gives_one_model(small: sequence.SequenceModel) -> None:
    data = walks(60, 150, 40)
    again, other = (sequence.fit(data, SMALL, Run(seed=seed, threads=1)) for seed in (1, 2))
    for name, array in small.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])
    assert not np.array_equal(small.items, other.items)


def test_a_stop_ends_the_training() -> None:
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) > 3

    with pytest.raises(Stopped):
        sequence.fit(walks(60, 150, 40), SMALL, Run(stop=stop, threads=1))
    assert len(asked) == 4


def test_progress_has_the_losses_at_even_distances() -> None:
    shown: list[Mapping[str, Any]] = []
    sequence.fit(walks(60, 150, 40), SMALL, Run(progress=shown.append, threads=1))
    epochs, losses = zip(*shown[-1]["losses"], strict=True)
    assert list(epochs) == sorted(epochs)
    assert 0 < epochs[0] <= epochs[-1] <= shown[-1]["epochs"]
    assert losses[-1] < losses[0]


def test_progress_ends_with_the_last_epoch() -> None:
    shown: list[Mapping[str, float]] = []
    sequence.fit(walks(60, 150, 40), SMALL, Run(progress=shown.append, threads=1))
    assert shown[-1]["epoch"] == shown[-1]["epochs"] == SMALL.epochs
    assert shown[-1]["secondsLeft"] == 0
    assert 0 < shown[-1]["loss"] < np.log(60) + 1


def test_without_interactions_there_is_nothing_to_learn() -> None:
    with pytest.raises(ValueError, match="no interactions"):
        sequence.fit(TrainingData(5, histories_of([])))


def test_a_saved_model_answers_the_same(small: sequence.SequenceModel, tmp_path: Path) -> None:
    base.save(small, tmp_path / "model")
    loaded = base.load(tmp_path / "model")
    assert isinstance(loaded, sequence.SequenceModel)
    assert isinstance(loaded.arrays()["items"], np.memmap)
    assert np.shares_memory(loaded.items, loaded.arrays()["items"])
    query = Query(np.array([1, 2, 3], np.int32))
    np.testing.assert_array_equal(loaded.score(query), small.score(query))


def test_answers_need_no_torch(small: sequence.SequenceModel, tmp_path: Path) -> None:
    base.save(small, tmp_path / "model")
    script = """
import sys
sys.modules["torch"] = None  # an import of it fails
import numpy as np
from pathlib import Path
from sartor.models import base, best
model = base.load(Path(sys.argv[1]))
print(best.top(model.score(base.Query(np.array([1, 2, 3], np.int32))), 1)[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model")], capture_output=True, text=True, check=True
    )
    query = Query(np.array([1, 2, 3], np.int32))
    assert int(done.stdout) == best.top(small.score(query), 1)[0]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_in_chunks_has_the_gradients_of_plain_cross_entropy(
    weighted: bool, smoothing: float
) -> None:
    from sartor.models import sequence_loss

    maker = torch.Generator().manual_seed(0)
    sizes = ((37, 8), (50, 8), (50,))
    values = [torch.randn(size, generator=maker, dtype=torch.float32) for size in sizes]
    targets = torch.randint(50, (37,), generator=maker)
    weights = torch.rand(37, generator=maker) if weighted else torch.full((37,), 1 / 37)
    ours = [value.clone().requires_grad_() for value in values]
    loss = sequence_loss.whole(*ours, targets, weights, smoothing=smoothing, chunk=16)
    (3 * loss).backward()
    plain = [value.clone().requires_grad_() for value in values]
    each = torch.nn.functional.cross_entropy(
        plain[0] @ plain[1].T + plain[2], targets, reduction="none", label_smoothing=smoothing
    )
    expected = (each * weights).sum()
    (3 * expected).backward()
    torch.testing.assert_close(loss, expected)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_the_loss_in_bfloat16_is_close() -> None:
    from sartor.models import sequence_loss

    maker = torch.Generator().manual_seed(0)
    values = [torch.randn(size, generator=maker) for size in ((37, 8), (50, 8), (50,))]
    targets = torch.randint(50, (37,), generator=maker)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        given = [value.clone().requires_grad_() for value in values]
        weights = torch.full((37,), 1 / 37)
        sequence_loss.whole(*given, targets, weights, smoothing=0.1, dtype=dtype).backward()
        found.append([one.grad for one in given])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=5e-3, rtol=5e-2)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_against_drawn_items_has_the_gradients_of_what_it_says(smoothing: float) -> None:
    from sartor.models import sequence_loss

    maker = torch.Generator().manual_seed(0)
    values = [torch.randn(size, generator=maker) for size in ((37, 8), (50, 8), (50,))]
    targets, drawn = (torch.randint(50, (n,), generator=maker) for n in (37, 20))
    log_expected, weights = (torch.rand(n, generator=maker) for n in (20, 37))
    ours, plain = ([value.clone().requires_grad_() for value in values] for _ in range(2))
    states, items, bias = ours
    loss = sequence_loss.sampled(
        states,
        (items[targets], bias[targets]),
        (items[drawn], bias[drawn]),
        (items.mean(dim=0), bias.mean()),
        targets,
        drawn,
        log_expected,
        weights,
        smoothing=smoothing,
        chunk=16,
    )
    (3 * loss).backward()
    states, items, bias = plain
    logits = states @ items.T + bias
    right = logits[torch.arange(37), targets]
    wrong = (logits[:, drawn] - log_expected).masked_fill(targets[:, None] == drawn, -1e9)
    each = torch.logsumexp(torch.cat([wrong, right[:, None]], dim=1), dim=1)
    each = each - (1 - smoothing) * right - smoothing * logits.mean(dim=1)
    expected = (each * weights).sum()
    (3 * expected).backward()
    torch.testing.assert_close(loss, expected)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_drawn_negatives_estimate_the_whole_loss() -> None:
    from sartor.models import sequence_loss, sequence_rows

    maker = torch.Generator().manual_seed(0)
    states, items = (torch.randn(size, generator=maker) for size in ((20, 8), (300, 8)))
    bias, targets = torch.randn(300, generator=maker), torch.randint(300, (20,), generator=maker)
    whole = torch.nn.functional.cross_entropy(0.3 * states @ items.T + bias, targets)
    counts = np.random.default_rng(0).integers(1, 100, 300)
    negatives = sequence_rows.Negatives(counts, 2_000, np.random.default_rng(0))
    found = []
    for _ in range(50):
        drawn = negatives.draw()
        wrong = torch.from_numpy(drawn.items)
        found.append(
            sequence_loss.sampled(
                0.3 * states,
                (items[targets], bias[targets]),
                (items[wrong], bias[wrong]),
                (items.mean(dim=0), bias.mean()),
                targets,
                wrong,
                torch.from_numpy(drawn.log_expected),
                torch.full((20,), 1 / 20),
            ).item()
        )
    assert np.mean(found) == pytest.approx(whole.item(), rel=0.005)


def test_what_each_distance_adds_lies_along_the_diagonals() -> None:
    from sartor.models import sequence_network

    near = torch.arange(10, dtype=torch.float32).view(2, 5)
    found = sequence_network.by_distance(near, 4)
    assert found.shape == (2, 4, 4)
    for i in range(4):
        for j in range(4):
            expected = near[:, i - j] if j <= i else torch.full((2,), -1e9)
            assert torch.equal(found[:, i, j], expected)


@pytest.mark.parametrize("window", [1, 7, 100])
def test_an_epoch_has_every_target_once(window: int) -> None:
    from sartor.models.sequence_batches import Batches

    rng = np.random.default_rng(0)
    lists = [list(range(length)) for length in rng.integers(0, 60, 200)]
    lists.append(list(range(200)))
    batches = Batches(histories_of(lists), 200, window, 512)
    seen = []
    for batch in batches.epoch(rng):
        assert batch.inputs.size <= max(512, window)
        assert batch.inputs.shape[1] <= window
        inputs = batch.inputs.ravel()[batch.filled]
        # here every item is one more than the item before it, and the start comes before item 0
        np.testing.assert_array_equal(np.where(inputs == 200, 0, inputs + 1), batch.targets)
        seen.append(batch.targets)
        assert batch.weights.sum() == pytest.approx(1)
        parts = batch.split(3)
        assert len(parts) == min(3, len(batch.inputs))
        for name in ("targets", "weights"):
            np.testing.assert_array_equal(
                np.concatenate([getattr(part, name) for part in parts]), getattr(batch, name)
            )
        np.testing.assert_array_equal(
            np.concatenate([part.inputs.ravel()[part.filled] for part in parts]), inputs
        )
    expected = np.bincount([item for one in lists for item in one])
    np.testing.assert_array_equal(np.bincount(np.concatenate(seen)), expected)


def test_the_start_is_the_same_from_dense_and_from_sorted_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from sartor.models import sequence_start

    histories = walks(80, 200, 30).histories
    dense = sequence_start.embeddings(histories, 80, 8, 0)
    monkeypatch.setattr(sequence_start, "_DENSE_ITEMS", 10)
    monkeypatch.setattr(sequence_start, "_BLOCK_CELLS", 100)
    sparse = sequence_start.embeddings(histories, 80, 8, 0)
    # the vectors of equal values may be turned: what counts is how alike the items are
    for found in (dense, sparse):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.std(axis=1), sequence_start.DEVIATION, rtol=1e-3)
    np.testing.assert_allclose(dense @ dense.T, sparse @ sparse.T, atol=2e-3)
