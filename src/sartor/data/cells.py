"""The SQL that makes values of a file's texts, and tells which of them break a rule."""

from typing import Final

from sartor.data.input_files import Source
from sartor.data.rules import CJK_TEXT_CHARACTERS, TEXT_CHARACTERS, is_time, may_become_null, rules_of
from sartor.data.schema import Field, Schema

#: The column of a part that holds the texts of a broken row. Schemas cannot have it: its name has a space.
FAULT: Final = "broken row"


class Columns:
    """The SQL of a schema's columns over one source.

    Attributes:
        texts: the SELECT list that takes a broken row's texts apart again.
        conditions: column, its text, rule and SQL condition over ``texts``, in the order of the schema.
        tolerated: the columns of which a few cells may be bad, each with the condition of a bad one.
    """

    def __init__(self, schema: Schema, source: Source) -> None:
        raw = [f"r{at}" for at in range(len(schema.fields))]
        inner, outer, strict, self.conditions = [], [], [], []
        self.tolerated: dict[str, str] = {}
        for at, field in enumerate(schema.fields):
            typed = raw[at] if field.type == "string" else f"t{at}"
            inner.append(f"{source.texts[at]} AS {raw[at]}")
            bad = []
            for rule in rules_of(field, schema):
                condition = rule.broken.format(raw=raw[at], typed=typed)
                self.conditions.append((field.name, raw[at], rule.code, condition))
                if may_become_null(field, rule.code):
                    bad.append(f"({condition})")
                else:
                    strict.append(f"({condition})")
            if bad:
                self.tolerated[field.name] = " OR ".join(bad)
                typed = f"CASE WHEN {self.tolerated[field.name]} THEN NULL ELSE {typed} END"
            outer.append(f'{_value(field, raw[at], typed)} AS "{field.name}"')
            if is_time(field):
                outer.append(f'{_fraction(raw[at])} AS "{cut_column(field.name)}"')
        self._strict = " OR ".join(strict) or "false"
        casts = [
            f"{_cast(field, raw[at])} AS t{at}"
            for at, field in enumerate(schema.fields)
            if field.type != "string"
        ]
        broken = " OR ".join(f"({condition})" for *_, condition in self.conditions) or "false"
        rows = f"SELECT *, {', '.join(casts)} FROM" if casts else "FROM"
        self._checked = (
            f'SELECT {", ".join(outer)}, CASE WHEN {broken} THEN to_json([{", ".join(raw)}])::VARCHAR END AS "{FAULT}" '
            f"FROM ({rows} (SELECT {', '.join(inner)} FROM "
        )
        taken = [f"texts[{at + 1}] AS {name}" for at, name in enumerate(raw)]
        recast = [
            f"{_cast(field, f'texts[{at + 1}]')} AS t{at}"
            for at, field in enumerate(schema.fields)
            if field.type != "string"
        ]
        self.texts = ", ".join([*taken, *recast])

    def counted(self, table: str) -> str:
        """Return the SELECT that counts the rows of a table of texts, by whether one of them fails the job for sure.

        Its columns are that, a text with a 1 for each of ``tolerated`` that is bad, and the count.
        """
        marks = " || ".join(f"CASE WHEN {bad} THEN '1' ELSE '0' END" for bad in self.tolerated.values())
        return f"SELECT coalesce({self._strict}, false), {marks or chr(39) * 2}, count(*) FROM {table} GROUP BY ALL"

    def select(self, scan: str) -> str:
        """Return the SELECT that casts and checks every row of a scan."""
        return f"{self._checked}{scan}))"


def cut_column(column: str) -> str:
    """Return the column of a part that has the texts of times whose fraction was cut; no schema has a space."""
    return f"cut {column}"


def _fraction(raw: str) -> str:
    """Return the SQL of a time's text if it has a fraction that is lost."""
    return f"CASE WHEN contains({raw}, '.') AND regexp_matches({raw}, '\\.[0-9]*[1-9]') THEN {raw} END"


def _cast(field: Field, raw: str) -> str:
    """Return the SQL of a cell's value; DuckDB rounds what is written with a fraction, a time is cut."""
    if is_time(field):
        raw = f"CASE WHEN contains({raw}, '.') THEN split_part({raw}, '.', 1) ELSE {raw} END"
    return f"TRY_CAST({raw} AS {field.sql_type})"


def _value(field: Field, raw: str, typed: str) -> str:
    """Return the SQL of what a cell becomes: texts are cleaned and cut, everything else is as it is."""
    if not field.textual:
        return typed
    clean = (
        f"trim(regexp_replace(regexp_replace({raw}, '<[^>]*>|&[a-zA-Z0-9#]+;', ' ', 'g'), '\\s+', ' ', 'g'))"
    )
    cjk = f"regexp_matches({raw}, '[\\p{{Han}}\\p{{Hiragana}}\\p{{Katakana}}]')"
    return f"nullif(left({clean}, CASE WHEN {cjk} THEN {CJK_TEXT_CHARACTERS} ELSE {TEXT_CHARACTERS} END), '')"
