"""What the amount of data and the machine decide of a sequence model."""

from collections.abc import Callable

import numpy as np
import pytest

from sartor.models.base import Histories, Stopped, TrainingData
from sartor.models.sequence_config import Amount, Config

#: Data of the shapes that people have, by interactions, users and items.
SHOP = Amount(160_000, 20_000, 15_000)
FILMS = Amount(988_000, 6_040, 3_416)
STREAM = Amount(20_000_000, 138_000, 27_000)
SESSIONS = Amount(20_000_000, 2_500_000, 27_000)


def test_more_data_takes_fewer_epochs_but_never_less_time() -> None:
    amounts = [Amount(10_000 * 2**step, 200 * 2**step, 1000) for step in range(14)]
    decided = [Config().decided(amount) for amount in amounts]
    epochs = [one.epochs for one in decided]
    assert epochs == sorted(epochs, reverse=True)
    work = [one.epochs * amount.interactions for one, amount in zip(decided, amounts, strict=True)]
    assert work == sorted(work)
    assert all(epochs)


@pytest.mark.parametrize("interactions", [500, 3_600, 9_999])
def test_little_data_takes_few_steps(interactions: int) -> None:
    decided = Config().decided(Amount(interactions, interactions // 10, 500))
    assert decided.epochs * interactions / decided.positions <= 160


def test_short_histories_are_dropped_out_of_more_than_long_ones() -> None:
    shop, films, stream, sessions = (
        Config().decided(amount).dropout for amount in (SHOP, FILMS, STREAM, SESSIONS)
    )
    assert shop == 0.5
    assert shop > Config().decided(Amount(60_000, 1_000, 1_500)).dropout > 0  # type: ignore[operator]
    # long histories, and what is gone through twice, are not learned by heart
    assert films == stream == sessions == 0


def test_what_is_given_is_kept() -> None:
    given = Config(d=32, dropout=0.0, epochs=3, window=7, lr=1e-2, positions=64, most_products=0)
    for on_gpu in (False, True):
        assert given.decided(FILMS, on_gpu=on_gpu) == given


@pytest.mark.parametrize(
    ("amount", "whole"), [(SHOP, False), (FILMS, False), (Amount(60_000, 900, 1_400), True)]
)
def test_the_whole_catalogue_is_what_a_step_can_pay_for(amount: Amount, whole: bool) -> None:
    decided = Config().decided(amount)
    assert (amount.items <= decided.whole_catalogue_items) == whole
    # however many interactions there are
    more = Config().decided(Amount(amount.interactions * 3, amount.users * 3, amount.items))
    assert (amount.items <= more.whole_catalogue_items) == whole


@pytest.mark.parametrize(
    "size", [lambda one: one.d, lambda one: one.epochs, lambda one: one.whole_catalogue_items]
)
def test_a_gpu_trains_a_larger_model_for_longer(size: Callable[[Config], int]) -> None:
    assert size(Config().decided(FILMS, on_gpu=True)) >= 2 * size(Config().decided(FILMS))
    assert size(Config().decided(SHOP, on_gpu=True)) >= size(Config().decided(SHOP))


@pytest.mark.parametrize(("gpu", "d"), [("Some GPU", 256), (None, 128)])
def test_a_training_takes_the_sizes_of_the_device_that_there_is(
    gpu: str | None, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from sartor.models import sequence, sequence_training

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: gpu)
    monkeypatch.setattr(Amount, "of", lambda _histories: FILMS)
    asked: list[Config] = []

    def train(_catalogue: object, config: Config, _run: object) -> None:
        asked.append(config)
        raise Stopped

    monkeypatch.setattr(sequence_training, "train", train)
    nothing = np.zeros(3, np.int32)
    with pytest.raises(Stopped):
        sequence.fit(TrainingData(1, Histories(nothing, np.array([0, 3]), np.arange(3))))
    assert asked[0].d == d
