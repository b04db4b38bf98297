"""Themes: the words that the items of an answer share and others do not have."""

import pytest

from sartor.models.themes import Themes, terms_of

SPACE = [
    f"A crew of astronauts explores a distant planet number {number} in a space ship" for number in range(8)
]
COOKING = [f"The chef teaches how to bake bread and cake, lesson {number}" for number in range(40)]
CATALOGUE = [*SPACE, *COOKING, *(f"Something else entirely {number}" for number in range(40))]


def test_a_theme_is_of_the_words_that_the_items_share_and_others_lack() -> None:
    theme, fits = Themes(CATALOGUE).of(SPACE)
    words = theme.casefold()
    assert any(word in words for word in ("astronauts", "planet", "space"))
    assert not {"a", "in", "of", "chef"} & set(words.split())
    assert theme[0].isupper()
    assert all(fit > 0.9 for fit in fits)


def test_an_item_that_does_not_fit_has_a_lower_score_than_those_that_do() -> None:
    _, fits = Themes(CATALOGUE).of([*SPACE[:5], COOKING[0]])
    assert fits[-1] < min(fits[:-1])
    assert all(0 <= fit <= 1 for fit in fits)


@pytest.mark.parametrize("texts", [[], ["alpha"], ["alpha", "beta"], ["", ""]])
def test_items_without_a_word_in_common_have_a_theme_that_claims_nothing(texts: list[str]) -> None:
    assert Themes(CATALOGUE).of(texts) == ("Similar items", [0.0] * len(texts))


def test_what_all_items_have_is_no_theme() -> None:
    catalogue = [f"video about gardens {number}" for number in range(50)]
    assert Themes(catalogue).of(catalogue[:10])[0] == "Similar items"


def test_words_of_any_script_are_words_and_empty_ones_are_none() -> None:
    assert terms_of("The Über-Größe and Москва") == {"über-grösse", "москва"} or terms_of("Москва") == {
        "москва"
    }
    assert terms_of("of the and 42") == set()
    assert terms_of("romantic comedy") == {"romantic", "comedy", "romantic comedy"}
