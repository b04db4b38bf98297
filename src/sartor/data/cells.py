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
        inner, casts, known, outer, strict, broken = [], [], [], [], [], []
        self.conditions = []
        self.tolerated: dict[str, str] = {}
        for at, field in enumerate(schema.fields):
            inner.append(f"{source.texts[at]} AS {raw[at]}")
            typed = value = raw[at] if field.type == "string" else f"t{at}"
            if field.type != "string":
                casts.append(f"TRY_CAST({raw[at]} AS {field.sql_type}) AS {typed}")
            odd, bad = f"{typed}::VARCHAR <> {raw[at]}", []
            odd_here, kept = odd, typed
            if is_time(field):  # DuckDB rounds what is written with a fraction, a time is cut
                odd_here = f"o{at}"
                known.append(f"{odd} AS {odd_here}")
                kept = f"TRY_CAST(split_part({raw[at]}, '.', 1) AS {field.sql_type})"
                value = f"CASE WHEN {odd_here} THEN {kept} ELSE {typed} END"
                fraction = f"regexp_matches({raw[at]}, '\\.[0-9]*[1-9]')"
                outer.append(
                    f'CASE WHEN {odd_here} AND {fraction} THEN {raw[at]} END AS "{cut_column(field.name)}"'
                )
            for rule in rules_of(field, schema):
                condition = rule.broken.format(raw=raw[at], typed=typed, odd=odd, kept=kept)
                self.conditions.append((field.name, raw[at], rule.code, condition))
                if may_become_null(field, rule.code):
                    bad.append(f"({condition})")
                else:
                    strict.append(f"({condition})")
                    broken.append(
                        f"({rule.broken.format(raw=raw[at], typed=typed, odd=odd_here, kept=kept)})"
                    )
            if bad:
                self.tolerated[field.name] = " OR ".join(bad)
                known.append(f"{self.tolerated[field.name]} AS b{at}")
                broken.append(f"b{at}")
                value = f"CASE WHEN b{at} THEN NULL ELSE {value} END"
            outer.append(f'{_value(field, raw[at], value)} AS "{field.name}"')
        self._strict = " OR ".join(strict) or "false"
        # what several columns ask is computed once, in a SELECT of its own: within CASE and OR DuckDB shares nothing
        rows = f"SELECT {', '.join(inner)} FROM "
        self._before, self._behind = rows, ""
        for more in filter(None, (casts, known)):
            self._before = f"SELECT *, {', '.join(more)} FROM ({self._before}"
            self._behind += ")"
        fault = f"CASE WHEN {' OR '.join(broken) or 'false'} THEN to_json([{', '.join(raw)}])::VARCHAR END"
        self._before = f'SELECT {", ".join(outer)}, {fault} AS "{FAULT}" FROM ({self._before}'
        self._behind += ")"
        taken = [f"texts[{at + 1}] AS {name}" for at, name in enumerate(raw)]
        recast = [
            f"TRY_CAST(texts[{at + 1}] AS {field.sql_type}) AS t{at}"
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
        return f"{self._before}{scan}{self._behind}"


def cut_column(column: str) -> str:
    """Return the column of a part that has the texts of times whose fraction was cut; no schema has a space."""
    return f"cut {column}"


def _value(field: Field, raw: str, typed: str) -> str:
    """Return the SQL of what a cell becomes: texts are cleaned and cut, everything else is as it is."""
    if not field.textual:
        return typed
    clean = (
        f"trim(regexp_replace(regexp_replace({raw}, '<[^>]*>|&[a-zA-Z0-9#]+;', ' ', 'g'), '\\s+', ' ', 'g'))"
    )
    cjk = f"regexp_matches({raw}, '[\\p{{Han}}\\p{{Hiragana}}\\p{{Katakana}}]')"
    return f"nullif(left({clean}, CASE WHEN {cjk} THEN {CJK_TEXT_CHARACTERS} ELSE {TEXT_CHARACTERS} END), '')"
