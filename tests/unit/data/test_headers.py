"""A header that lacks columns is shown, and what may be wrong with it is guessed."""

import pytest

from sartor.data.headers import in_words


@pytest.mark.parametrize(
    ("names", "missing", "words"),
    [
        (["a", "b"], ["USER_ID"], "the header is a, b"),
        (
            ["USER_ID;ITEM_ID"],
            ["USER_ID"],
            "the header is USER_ID;ITEM_ID; is the delimiter ;? It must be a comma",
        ),
        (["USER_ID\tITEM_ID"], ["USER_ID"], "is the delimiter a tab? It must be a comma"),
        (
            ["userId", "ITEM"],
            ["USER_ID", "ITEM_ID"],
            "is userId meant for USER_ID?; is ITEM meant for ITEM_ID?",
        ),
        (["TIMESTAMPS"], ["TIMESTAMP"], "is TIMESTAMPS meant for TIMESTAMP?"),
        ([f"c{at}" for at in range(30)], ["X"], "c19 and 10 more"),
        (["x" * 5000], ["Y"], "xxx…"),
        ([], ["Y"], "the header is "),
    ],
)
def test_it_says_what_is_there_and_what_may_be_meant(
    names: list[str], missing: list[str], words: str
) -> None:
    told = in_words(names, missing)
    assert words in told
    assert len(told) < 600
