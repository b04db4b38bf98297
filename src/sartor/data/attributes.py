"""What items had in their columns when a version was trained: what segments of users can be asked for by.

Source: the guide's page of the Item-Attribute-Affinity recipe: every metadata column but textual and reserved ones.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from sartor.data.schema import Field, Schema

#: Columns that say nothing about what an item is.
_RESERVED: Final = frozenset({"ITEM_ID", "CREATION_TIMESTAMP"})


@dataclass(frozen=True)
class Column:
    """What the items have in one column.

    Attributes:
        field: of the schema.
        values: [values], every distinct one, ascending: numbers of the column's type, or the offsets of texts,
            int64[values + 1].
        text: uint8[bytes], the UTF-8 bytes of all texts, one after the other; none of numbers.
        codes: int32[items], which value each has; -1 is none.
    """

    field: Field
    values: NDArray[Any]
    text: NDArray[np.uint8]
    codes: NDArray[np.int32]

    def cells(self) -> list[Any]:
        """Return the value of each item, a number or a text; ``None`` where there is none."""
        known: list[Any]
        if self.field.is_number:
            known = self.values.tolist()
        else:
            text = self.text.tobytes()
            known = [text[begin:end].decode() for begin, end in pairwise(self.values.tolist())]
        known.append(None)  # which -1 finds
        return [known[code] for code in self.codes.tolist()]

    @property
    def tells_apart(self) -> bool:
        """Whether values are neither all the same nor all distinct, so that there is something to learn."""
        there = int((self.codes >= 0).sum())
        different = len(np.unique(self.codes[self.codes >= 0]))
        return 1 < different < there


@dataclass(frozen=True)
class Attributes:
    """The columns of the items.

    Attributes:
        columns: in the schema's order.
    """

    columns: tuple[Column, ...] = ()

    def settings(self) -> list[dict[str, Any]]:
        """Return what is saved as JSON."""
        return [
            {"name": one.field.name, "type": one.field.type, "categorical": one.field.categorical}
            for one in self.columns
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is saved as arrays."""
        return {
            f"{at}.{name}": getattr(one, name)
            for at, one in enumerate(self.columns)
            for name in ("values", "text", "codes")
        }

    @classmethod
    def restored(
        cls, settings: Sequence[Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]
    ) -> "Attributes":
        """Return the attributes of these settings and arrays."""
        return cls(
            tuple(
                Column(
                    Field(one["name"], one["type"], True, one["categorical"]),
                    arrays[f"{at}.values"],
                    arrays[f"{at}.text"],
                    arrays[f"{at}.codes"],
                )
                for at, one in enumerate(settings)
            )
        )


def asked_by(schema: Schema, left_out: Collection[str]) -> list[Field]:
    """Return the columns of items that segments can be asked for by.

    Args:
        schema: of the items.
        left_out: columns that a solution leaves out, folded to lower case.
    """
    return [
        one
        for one in schema.fields
        if one.name not in _RESERVED
        and one.name.casefold() not in left_out
        and not one.textual
        and (one.is_number or one.type == "string")
    ]


def read(connection: duckdb.DuckDBPyConnection, fields: Sequence[Field], n_items: int) -> Attributes:
    """Return what the items have in some columns.

    Args:
        connection: with the view ``items``, and the table ``item_number`` of item ids and numbers.
        fields: the columns.
        n_items: how many items there are.
    """
    return Attributes(tuple(_column(connection, one, n_items) for one in fields))


def _column(connection: duckdb.DuckDBPyConnection, field: Field, n_items: int) -> Column:
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE attribute AS
            SELECT item_number.n AS i, "{field.name}" AS value,
                   (dense_rank() OVER (ORDER BY "{field.name}") - 1)::INTEGER AS code
            FROM items JOIN item_number ON items."ITEM_ID" = item_number.i WHERE value IS NOT NULL
        """
    )
    rows = connection.execute("SELECT i, code FROM attribute").fetchnumpy()
    codes = np.full(n_items, -1, np.int32)
    codes[np.asarray(rows["i"], np.int64)] = np.asarray(rows["code"], np.int32)
    known = connection.execute("SELECT DISTINCT code, value FROM attribute ORDER BY code").fetchnumpy()[
        "value"
    ]
    if field.is_number:
        return Column(field, np.asarray(known), np.zeros(0, np.uint8), codes)
    encoded = [value.encode() for value in known]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(one) for one in encoded], out=offsets[1:])
    return Column(field, offsets, np.frombuffer(b"".join(encoded), np.uint8), codes)
