"""What items had when a version was trained: as columns that expressions are held against, and as sets of items."""

from typing import Final

import numpy as np

from sartor.data.attributes import Attributes
from sartor.errors import JobFailed
from sartor.filters import attributes
from sartor.filters.columns import Columns
from sartor.models.segments import ItemSets

#: In Amazon's words.
_NO_ATTRIBUTE: Final = (
    "Did not find any attribute to train on. There may not be any attribute in the items dataset, or all attribute "
    "values either have same or all distinct values."
)


def columns_of(found: Attributes, n_items: int) -> Columns:
    """Return the columns of the model's items, in the model's order."""
    cells = {one.field.name: one.cells() for one in found.columns}
    return Columns.build([one.field for one in found.columns], cells, n_items)


def sets_of_each_value(found: Attributes, n_items: int) -> ItemSets:
    """Return the items of each value of each column that there is something to learn of.

    Raises:
        JobFailed: there is none.
    """
    told = Attributes(tuple(one for one in found.columns if one.tells_apart))
    if not told.columns:
        raise JobFailed(_NO_ATTRIBUTE)
    columns = columns_of(told, n_items)
    return ItemSets.of_each([rows.astype(np.int32) for rows in attributes.of_each_value(columns)])
