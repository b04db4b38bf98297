"""A file that is made once: new, there, and gone are three things, whatever dies in between."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sartor.once import Once


def test_a_file_that_was_never_made_is_not_gone(tmp_path: Path) -> None:
    once = Once(tmp_path / "new" / "file")
    assert not once.is_gone
    with once.locked():
        assert not once.is_gone
    assert not once.is_gone, "nobody has made it yet"


def test_a_file_that_was_made_and_is_not_there_is_gone(tmp_path: Path) -> None:
    place = tmp_path / "file"
    once = Once(place)
    with once.locked():
        place.write_text("x")
    assert not once.is_gone
    place.unlink()
    assert Once(place).is_gone
    once.lock.unlink()  # what a person does to begin anew
    assert not Once(place).is_gone


def test_a_maker_that_fails_has_made_nothing(tmp_path: Path) -> None:
    once = Once(tmp_path / "file")
    with pytest.raises(OSError, match="full"), once.locked():
        raise OSError("full")
    assert not once.is_gone


def test_of_many_who_ask_at_once_one_makes_it(tmp_path: Path) -> None:
    place = tmp_path / "file"
    made: list[int] = []

    def ask(number: int) -> None:
        once = Once(place)
        with once.locked():
            if not place.exists():
                place.write_text(str(number))
                made.append(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(40)))
    assert len(made) == 1
    assert place.read_text() == str(made[0])
