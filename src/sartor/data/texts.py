"""The texts of items as bags of words: the name, the text column, and the words of categories.

Source: the guide's "Semantic-Similarity recipe": a column with the item's name (``itemName``) and one with text to
understand (``textual``).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from sartor.data.schema import Field, Schema

#: What a word of an item's name counts, against one of its other columns.
_NAME_WEIGHT: Final = 3
#: Of a text, so many of its words count; longer texts say no more about an item.
_WORDS: Final = 200
#: No text has this character between its words.
_BETWEEN: Final = "chr(31)"
_CREATED: Final = "CREATION_TIMESTAMP"


@dataclass(frozen=True)
class ItemTexts:
    """What the texts of items say.

    Attributes:
        words: the different words, by number.
        offsets: int64[items + 1], where the words of each item begin.
        word: int32[all], the words of each item, each once.
        weight: float32[all], how much each counts.
        created: int64[items], epoch seconds; -1 if nobody knows.
        digests: uint64[items], which differ where texts do; 0 of an item without a row.
    """

    words: tuple[str, ...]
    offsets: NDArray[np.int64]
    word: NDArray[np.int32]
    weight: NDArray[np.float32]
    created: NDArray[np.int64]
    digests: NDArray[np.uint64]


def columns_of(schema: Schema, left_out: Collection[str], by_name: bool) -> list[Field]:
    """Return the columns whose words count.

    Args:
        schema: of the items.
        left_out: columns that a solution leaves out, folded to lower case.
        by_name: whether the solution names the columns that it wants; then plain strings count too.
    """
    return [
        one
        for one in schema.fields
        if one.type == "string"
        and one.name != "ITEM_ID"
        and one.name.casefold() not in left_out
        and (one.item_name or one.textual or one.categorical or by_name)
    ]


def digests(
    connection: duckdb.DuckDBPyConnection, columns: list[Field]
) -> tuple[list[str], NDArray[np.uint64]]:
    """Return the ids of all items, and uint64[items], which differ where texts do.

    Args:
        connection: with a view ``items``.
        columns: whose words count.
    """
    found = connection.execute(f'SELECT "ITEM_ID" AS i, {_digest(columns)} AS digest FROM items').fetchnumpy()
    return found["i"].tolist(), np.asarray(found["digest"], np.uint64)


def read(
    connection: duckdb.DuckDBPyConnection, schema: Schema, columns: list[Field], n_items: int
) -> ItemTexts:
    """Return the texts of the items that have numbers.

    Args:
        connection: with a view ``items``, and a table ``item_number`` of ids ``i`` and numbers ``n``.
        schema: of the items.
        columns: whose words count.
        n_items: how many numbers there are.
    """
    selects = (
        " UNION ALL ".join(_words(one) for one in columns) or "SELECT '' AS i, '' AS word, 0 AS w LIMIT 0"
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE said AS
            SELECT item_number.n AS i, word, sum(w)::FLOAT AS w FROM ({selects}) JOIN item_number USING (i)
            GROUP BY ALL;
        CREATE OR REPLACE TEMP TABLE word_number AS
            SELECT word, (row_number() OVER (ORDER BY word) - 1)::INTEGER AS n FROM (SELECT DISTINCT word FROM said);
        """
    )
    rows = connection.execute(
        "SELECT i, word_number.n AS word, w FROM said JOIN word_number USING (word) ORDER BY ALL"
    ).fetchnumpy()
    words = connection.execute("SELECT word FROM word_number ORDER BY n").fetchall()
    has_created = any(one.name == _CREATED for one in schema.fields)
    created = f'coalesce("{_CREATED}", -1)::BIGINT' if has_created else "-1::BIGINT"
    of_items = connection.execute(
        f"SELECT item_number.n AS n, {created} AS created, {_digest(columns)} AS digest "
        'FROM items JOIN item_number ON items."ITEM_ID" = item_number.i'
    ).fetchnumpy()
    place = np.asarray(of_items["n"], np.int64)
    ages, marks = np.full(n_items, -1, np.int64), np.zeros(n_items, np.uint64)
    ages[place], marks[place] = of_items["created"], of_items["digest"]
    owner = np.asarray(rows["i"], np.int64)
    return ItemTexts(
        tuple(word for (word,) in words),
        np.searchsorted(owner, np.arange(n_items + 1)).astype(np.int64),
        np.asarray(rows["word"], np.int32),
        np.asarray(rows["w"], np.float32),
        ages,
        marks,
    )


def _words(one: Field) -> str:
    """Return the SELECT of the words of one column."""
    name, weight = f'"{one.name}"', _NAME_WEIGHT if one.item_name else 1
    words = f"regexp_extract_all(lower({name}), '[\\p{{L}}\\p{{N}}]+')[:{_WORDS}]"
    return (
        f'SELECT "ITEM_ID" AS i, unnest({words}) AS word, {weight} AS w FROM items WHERE {name} IS NOT NULL'
    )


def _digest(columns: list[Field]) -> str:
    """Return the SQL of an item's digest."""
    said = f" || {_BETWEEN} || ".join(f"coalesce(\"{one.name}\", '')" for one in columns) or "''"
    return f"md5_number_lower({said})"
