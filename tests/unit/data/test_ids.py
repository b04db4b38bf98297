"""Names as numbers and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sartor.data.ids import Ids

NAMES = st.lists(st.text(max_size=12), unique=True, max_size=30)


@given(names=NAMES, others=NAMES)
def test_every_name_has_its_number_and_no_other_name_has_one(names: list[str], others: list[str]) -> None:
    ids = Ids.restored({name: np.array(array) for name, array in Ids.of(names).arrays().items()})
    assert len(ids) == len(names)
    assert ids.names() == names
    assert [ids.name(number) for number in range(len(ids))] == names
    assert [ids.find(name) for name in names] == list(range(len(names)))
    asked = [*names, *others]
    expected = [names.index(name) if name in names else -1 for name in asked]
    assert ids.find_all(asked).tolist() == expected
    assert [ids.find(name) for name in others if name not in names] == [None] * len(set(others) - set(names))


def test_ids_that_some_more_follow_are_those_of_all_the_names() -> None:
    for first, more in ((["b", "ü"], ["a", "c"]), ([], ["a"]), (["a"], [])):
        found, wanted = Ids.of(first).followed_by(more), Ids.of([*first, *more])
        for name, array in wanted.arrays().items():
            assert np.array_equal(found.arrays()[name], array)
            assert found.arrays()[name].dtype == array.dtype
