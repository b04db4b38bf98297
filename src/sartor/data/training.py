"""What a model is trained on, out of a group's datasets: ids, histories and item features, as arrays.

Which interactions and columns count follows the guide's pages "Choosing the item interaction data used for
training" and "Configuring columns used when training".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from sartor.data import actions, attributes, by_user, contexts, texts
from sartor.data.actions import ActionRows
from sartor.data.attributes import Attributes
from sartor.data.contexts import Contexts
from sartor.data.ids import Ids
from sartor.data.schema import Field, Schema
from sartor.data.shards import Column, Shards
from sartor.data.sql import sql_text
from sartor.data.texts import ItemTexts

#: Numbers become this many tokens, each for an equal share of the items.
_NUMBER_TOKENS: Final = 10
#: Of a text, so many of its words count; longer texts say no more about an item.
_TEXT_WORDS: Final = 200
#: Columns of items that say nothing about what an item is.
_NO_FEATURES: Final = frozenset({"ITEM_ID", "CREATION_TIMESTAMP"})


#: The schema of interactions where there are none.
NOTHING: Final = Schema(
    "INTERACTIONS",
    None,
    (Field("USER_ID", "string"), Field("ITEM_ID", "string"), Field("TIMESTAMP", "long")),
)


@dataclass(frozen=True)
class EventRule:
    """What events of one type count.

    Attributes:
        weight: how much as a target.
        threshold: the least ``EVENT_VALUE``; ``None`` takes all.
    """

    weight: float = 1.0
    threshold: float | None = None


@dataclass(frozen=True)
class Selection:
    """Which interactions and columns a solution trains on.

    Attributes:
        event_type: only events of this type; ``None`` takes all.
        threshold: the least ``EVENT_VALUE``; ``None`` takes all.
        event_rules: rules by event type; then types without one are left out. Empty: no rules.
        excluded: columns that are left out, by dataset type; all folded to lower case.
        included: the columns that alone are trained on, by dataset type, likewise; of other types all are.
        objective: the item column of an additional objective, as the schema spells it.
        in_any_case: whether ``event_type`` is meant in any case, as use cases mean theirs.
    """

    event_type: str | None = None
    threshold: float | None = None
    event_rules: Mapping[str, EventRule] = field(default_factory=dict)
    excluded: Mapping[str, Collection[str]] = field(default_factory=dict)
    objective: str | None = None
    included: Mapping[str, Collection[str]] = field(default_factory=dict)
    in_any_case: bool = False

    def left_out(self, schema: Schema) -> frozenset[str]:
        """Return the columns of a dataset that are not trained on, folded to lower case."""
        of_type = schema.dataset_type.casefold()
        names = frozenset(one.name.casefold() for one in schema.fields)
        kept = names if of_type not in self.included else names.intersection(self.included[of_type])
        return names - kept.difference(self.excluded.get(of_type, ()))


@dataclass(frozen=True)
class TrainingRows:
    """Interactions by user, each user's oldest first, and the features of items.

    Attributes:
        users: every user who has an interaction.
        items: every item of the Items dataset and of interactions.
        offsets: int64[users + 1], where each user's training interactions begin.
        item: int32[n], of each training interaction.
        time: int64[n], epoch seconds.
        weight: float32[n], how much each counts as a target.
        seen_offsets: int64[users + 1], the same for all interactions, which filters look at.
        seen_item: int32[m].
        seen_type: int16[m], a number into ``event_types``.
        seen_time: int64[m], epoch seconds.
        event_types: the event types that occur; "" is none.
        has_event_types: whether the schema has a column for them.
        tokens: int32[k], of each item's features, item after item.
        token_offsets: int64[items + 1].
        token_names: what each token says, such as ``GENRE=comedy``.
        rewards: float32[items], what each item is worth by the objective's column, NaN where it has none; ``None``
            without an objective.
        contexts: in which contexts the training interactions were; none if nobody asks for them.
        texts: what the items' texts say; ``None`` if nobody asks.
        attributes: what the items have in their columns; nothing if nobody asks for it.
        acting: what the users did with actions; ``None`` if nobody asks for it.
    """

    users: Ids
    items: Ids
    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    time: NDArray[np.int64]
    weight: NDArray[np.float32]
    seen_offsets: NDArray[np.int64]
    seen_item: NDArray[np.int32]
    seen_type: NDArray[np.int16]
    seen_time: NDArray[np.int64]
    event_types: tuple[str, ...]
    tokens: NDArray[np.int32]
    token_offsets: NDArray[np.int64]
    token_names: tuple[str, ...]
    rewards: NDArray[np.float32] | None = None
    contexts: Contexts = field(default_factory=Contexts)
    attributes: Attributes = field(default_factory=Attributes)
    has_event_types: bool = True
    texts: ItemTexts | None = None
    acting: ActionRows | None = None


def read(
    connection: duckdb.DuckDBPyConnection,
    schema: Schema,
    items_schema: Schema | None,
    selection: Selection,
    users_schema: Schema | None = None,
    in_context: bool = False,
    by_texts: bool = False,
    with_attributes: bool = False,
    scratch: Path | None = None,
) -> TrainingRows:
    """Return what a solution trains on.

    The arrays of interactions are mapped files, read-only, that are gone with them: they need as much memory as there
    is to spare.

    Args:
        connection: with a view ``data`` of interactions, and a view ``items`` if there is an Items dataset.
        schema: of the interactions; those with actions have actions where others have items.
        items_schema: of the items; ``None`` if there are none.
        selection: what counts.
        users_schema: of the users, whose view is ``users``; ``None`` if there are none, or nobody asks for contexts.
        in_context: whether to read ``contexts``.
        by_texts: whether to read ``texts``.
        with_attributes: whether to read ``attributes``.
        scratch: a local folder for the interactions; the system's own if there is none.
    """
    counted, weight = _rules(selection, {one.name for one in schema.fields})
    seen_offsets = by_user.number(connection, schema, items_schema is not None, counted, weight)
    with by_user.shards(connection, seen_offsets, scratch, counted) as shards:
        rows = _columns(shards, seen_offsets, counted != by_user.ALL, scratch)
    users, items, event_types = by_user.names(connection)
    tokens, token_offsets, token_names = _features(connection, items_schema, selection, len(items))
    return TrainingRows(
        users,
        items,
        *rows,
        event_types,
        tokens,
        token_offsets,
        token_names,
        None if selection.objective is None else _rewards(connection, selection.objective, len(items)),
        _contexts(connection, schema, users_schema, selection, counted) if in_context else Contexts(),
        _attributes(connection, items_schema, selection, len(items)) if with_attributes else Attributes(),
        _has(schema, "EVENT_TYPE"),
        texts.read(connection, items_schema, text_columns(items_schema, selection), len(items))
        if by_texts and items_schema is not None
        else None,
    )


class _ByUser(NamedTuple):
    """The arrays of interactions of ``TrainingRows``, in its order."""

    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    time: NDArray[np.int64]
    weight: NDArray[np.float32]
    seen_offsets: NDArray[np.int64]
    seen_item: NDArray[np.int32]
    seen_type: NDArray[np.int16]
    seen_time: NDArray[np.int64]


def _columns(shards: Shards, seen_offsets: NDArray[np.int64], chooses: bool, scratch: Path | None) -> _ByUser:
    """Return the interactions of each user, oldest first; those of one time by item, then by type.

    Args:
        shards: the interactions.
        seen_offsets: int64[users + 1], where each user's begin.
        chooses: whether not all of them are trained on; if all are, the arrays of those are the arrays of all.
        scratch: a local folder.
    """
    lengths = np.zeros(len(seen_offsets) - 1, np.int64)
    seen_item, item = Column(np.int32, scratch), Column(np.int32, scratch)
    seen_time, time = Column(np.int64, scratch), Column(np.int64, scratch)
    seen_type, weight = Column(np.int16, scratch), Column(np.float32, scratch)
    for first, rows in shards.ordered():
        seen_item.add(rows["i"])
        seen_type.add(rows["e"])
        seen_time.add(rows["t"])
        if chooses:
            kept = rows["counted"]
            item.add(rows["i"][kept])
            time.add(rows["t"][kept])
            weight.add(rows["w"][kept])
            found = np.bincount(rows["u"][kept] - first)
            lengths[first : first + len(found)] = found
    seen = seen_offsets, seen_item.mapped(), seen_type.mapped(), seen_time.mapped()
    if chooses:
        return _ByUser(by_user.starts(lengths), item.mapped(), time.mapped(), weight.mapped(), *seen)
    return _ByUser(seen[0], seen[1], seen[3], np.broadcast_to(np.float32(1.0), len(seen[1])), *seen)


def show_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the view ``data`` of no interactions, under the schema ``NOTHING``."""
    columns = ", ".join(f'NULL::{one.sql_type} AS "{one.name}"' for one in NOTHING.fields)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW data AS SELECT {columns} WHERE false")


def text_columns(schema: Schema, selection: Selection) -> list[Field]:
    """Return the columns of items whose words count."""
    by_name = schema.dataset_type.casefold() in selection.included
    return texts.columns_of(schema, selection.left_out(schema), by_name)


def with_actions(
    connection: duckdb.DuckDBPyConnection,
    rows: TrainingRows,
    users_schema: Schema | None,
    selection: Selection,
    has_events: bool,
) -> TrainingRows:
    """Return rows with what their users did with actions; users of actions alone come last.

    Args:
        connection: on which the rows were just read, with their contexts; with a view ``actions``, and a view
            ``action_interactions`` if there is such a dataset.
        rows: what ``read`` has returned.
        users_schema: of the users; ``None`` if there are none.
        selection: what counts.
        has_events: whether there is an Action interactions dataset.
    """
    of_users = []
    if users_schema is not None:
        of_users = contexts.contextual(users_schema, selection.left_out(users_schema))
    acting, more = actions.read(connection, of_users, rows.contexts, has_events)
    return replace(
        rows,
        users=rows.users.followed_by(more) if more else rows.users,
        offsets=_longer(rows.offsets, len(more)),
        seen_offsets=_longer(rows.seen_offsets, len(more)),
        acting=acting,
    )


def _longer(offsets: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the offsets with those of some more users who have nothing."""
    return np.append(offsets, np.full(count, offsets[-1]))


def _contexts(
    connection: duckdb.DuckDBPyConnection,
    schema: Schema,
    users_schema: Schema | None,
    selection: Selection,
    counted: str,
) -> Contexts:
    of_interactions, of_users = (
        [] if one is None else contexts.contextual(one, selection.left_out(one))
        for one in (schema, users_schema)
    )
    return contexts.read(connection, of_interactions, of_users, counted)


def _attributes(
    connection: duckdb.DuckDBPyConnection, schema: Schema | None, selection: Selection, n_items: int
) -> Attributes:
    asked_by = [] if schema is None else attributes.asked_by(schema, selection.excluded.get("items", ()))
    return attributes.read(connection, asked_by, n_items)


def _rules(selection: Selection, columns: set[str]) -> tuple[str, str]:
    """Return the SQL of whether an interaction counts, and of how much."""
    value = '"EVENT_VALUE"' if "EVENT_VALUE" in columns else "NULL"
    if selection.event_rules:
        count, weigh = [], []
        for name, rule in selection.event_rules.items():
            least = "" if rule.threshold is None else f" AND {value} >= {rule.threshold!r}"
            count.append(f'("EVENT_TYPE" = {sql_text(name)}{least})')
            weigh.append(f'WHEN "EVENT_TYPE" = {sql_text(name)} THEN {rule.weight!r}')
        return " OR ".join(count), f"CASE {' '.join(weigh)} ELSE 1.0 END"
    conditions = []
    if selection.event_type is not None:
        wanted = sql_text(selection.event_type)
        conditions.append(
            f'lower("EVENT_TYPE") = lower({wanted})' if selection.in_any_case else f'"EVENT_TYPE" = {wanted}'
        )
    if selection.threshold is not None:
        conditions.append(f"{value} >= {selection.threshold!r}")
    return " AND ".join(conditions) or by_user.ALL, "1.0"


def _features(
    connection: duckdb.DuckDBPyConnection, schema: Schema | None, selection: Selection, n_items: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], tuple[str, ...]]:
    """Return the tokens of each item; a token that only one item has says nothing and is left out."""
    left_out = frozenset() if schema is None else selection.left_out(schema)
    columns = [
        one
        for one in (schema.fields if schema is not None else ())
        if one.name not in _NO_FEATURES and one.name.casefold() not in left_out
    ]
    selects = [select for select in map(_tokens_of, columns) if select is not None]
    if not selects:
        return np.zeros(0, np.int32), np.zeros(n_items + 1, np.int64), ()
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE token AS SELECT DISTINCT i, token FROM ({" UNION ALL ".join(selects)});
        CREATE OR REPLACE TEMP TABLE token_number AS
            SELECT token, (row_number() OVER (ORDER BY token) - 1)::INTEGER AS n
            FROM (SELECT token FROM token GROUP BY token HAVING count(*) > 1);
        """
    )
    rows = connection.execute(
        """
        SELECT item_number.n AS i, token_number.n AS token
        FROM token JOIN item_number USING (i) JOIN token_number USING (token) ORDER BY ALL
        """
    ).fetchnumpy()
    names = connection.execute("SELECT token FROM token_number ORDER BY n").fetchall()
    return (
        np.asarray(rows["token"], np.int32),
        _offsets(np.asarray(rows["i"], np.int32), n_items),
        tuple(name for (name,) in names),
    )


def _tokens_of(one: Field) -> str | None:
    """Return the SELECT of the tokens of one column; ``None`` if nothing is learned from it."""
    name, said = f'"{one.name}"', sql_text(f"{one.name}=")
    source = f"FROM items WHERE {name} IS NOT NULL"
    if one.categorical:
        return f"SELECT \"ITEM_ID\" AS i, {said} || unnest(string_split({name}, '|')) AS token {source}"
    if one.textual:
        words = f"regexp_extract_all(lower({name}), '[\\p{{L}}\\p{{N}}]+')[:{_TEXT_WORDS}]"
        return f'SELECT "ITEM_ID" AS i, {said} || unnest({words}) AS token {source}'
    if one.is_number:
        tile = f'ntile({_NUMBER_TOKENS}) OVER (ORDER BY {name}, "ITEM_ID")'
        return f'SELECT "ITEM_ID" AS i, {said} || {tile} AS token {source}'
    return None


def _rewards(connection: duckdb.DuckDBPyConnection, column: str, n_items: int) -> NDArray[np.float32]:
    """Return float32[items]: the numbers of an item column, NaN where there is none."""
    rows = connection.execute(
        f'SELECT item_number.n AS i, "{column}"::FLOAT AS value FROM items '
        f'JOIN item_number ON items."ITEM_ID" = item_number.i WHERE value IS NOT NULL'
    ).fetchnumpy()
    found = np.full(n_items, np.nan, np.float32)
    found[np.asarray(rows["i"], np.int64)] = rows["value"]
    return found


def _offsets(owner: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return int64[count + 1]: where the rows of each owner begin; the rows are sorted by owner."""
    return np.searchsorted(owner, np.arange(count + 1)).astype(np.int64)


def _has(schema: Schema, name: str) -> bool:
    return any(one.name == name for one in schema.fields)
