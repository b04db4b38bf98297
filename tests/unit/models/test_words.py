"""Words as pieces: what means the same shares most of them."""

import numpy as np
import pytest

from sartor.models.words import pieces_of, stem


def likeness(one: str, other: str) -> float:
    """Return the share of the pieces' worth that two words have in common."""
    found = pieces_of([one, other])
    first, second = (
        dict(zip(found.codes[part].tolist(), found.worth[part].tolist(), strict=True))
        for part in (slice(found.offsets[0], found.offsets[1]), slice(found.offsets[1], found.offsets[2]))
    )
    common = sum(min(first[code], second[code]) for code in first.keys() & second.keys())
    return common / max(sum(first.values()), sum(second.values()))


@pytest.mark.parametrize(
    "words",
    [("run", "runs", "running"), ("cake", "cakes"), ("stop", "stopped", "stopping"), ("party", "parties")],
)
def test_inflected_words_have_one_stem(words: tuple[str, ...]) -> None:
    assert len({stem(word) for word in words}) == 1


@pytest.mark.parametrize("word", ["bus", "is", "led", "1999", "ß"])
def test_short_words_stay(word: str) -> None:
    assert stem(word) == word


def test_compounds_and_slips_share_pieces_and_strangers_do_not() -> None:
    assert likeness("basketball", "basketballs") == 1
    assert likeness("chocolate", "chocolatte") > likeness("chocolate", "chords") > 0
    assert likeness("basketball", "football") > 0
    assert likeness("cake", "robot") == 0


def test_scripts_without_spaces_share_pairs_of_characters() -> None:
    assert likeness("東京都", "東京駅") == 0.5
    assert likeness("猫", "猫") == 1


def test_every_word_has_its_part() -> None:
    found = pieces_of(["a", "shoe", ""])
    assert found.offsets[-1] == len(found.codes) == len(found.worth)
    assert (np.diff(found.offsets) > 0).all()
