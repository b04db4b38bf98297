"""What a call brings becomes cells: every value fits its column, or is refused or noted; none gets lost."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from examples import examples
from sartor.data import check, schema
from sartor.data.check import Checked, JobRules
from sartor.data.input_files import InputFile
from sartor.data.put import FORBIDDEN, Mapper, Row
from sartor.errors import ApiError


def schema_of(name: str, *fields: tuple[str, Any], **attributes: Any) -> schema.Schema:
    columns = [{"name": field, "type": kind, **attributes.get(field, {})} for field, kind in fields]
    return schema.parse(json.dumps({"type": "record", "name": name, "fields": columns}))


def nullable(kind: str) -> list[str]:
    return ["null", kind]


TYPES = {"S": "string", "C": "string", "T": "string", "I": "int", "L": "long"} | {
    "F": "float",
    "D": "double",
    "B": "boolean",
}
ITEMS = schema_of(
    "Items",
    ("ITEM_ID", "string"),
    *((f"{name}_VALUE", nullable(kind)) for name, kind in TYPES.items()),
    ("CREATION_TIMESTAMP", nullable("long")),
    C_VALUE={"categorical": True},
    T_VALUE={"textual": True},
)
INTERACTIONS = schema_of(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_VALUE", nullable("float")),
    ("NUMBER_OF_RATINGS", "int"),
    ("DSTCity", "string"),
)


def record(properties: object, of: schema.Schema = ITEMS) -> Row:
    return Mapper(of).record("ITEM_ID", "i", json.dumps(properties))


def event(
    properties: object = None,
    session: str = "s",
    user: str | None = "u",
    name: str | None = None,
    **members: Any,
) -> Row:
    text = None if properties is None else json.dumps(properties)
    given = {"USER_ID": user, "ITEM_ID": "i", "TIMESTAMP": 7, "EVENT_TYPE": "click"} | members
    return Mapper(INTERACTIONS).event(given, text, user=user, session=session, event=name)


def notes(row: Row) -> list[str]:
    return [note.code for note in row.notes]


@pytest.mark.parametrize(
    "key", ["numberOfRatings", "NUMBER_OF_RATINGS", "number_of_ratings", "NumberOfRatings"]
)
def test_a_key_is_its_column_whatever_its_case_and_underscores(key: str) -> None:
    assert event({key: 4}).cells["NUMBER_OF_RATINGS"] == 4


def test_a_column_keeps_the_spelling_of_its_schema() -> None:
    assert event({"dstCity": "Oslo"}).cells["DSTCity"] == "Oslo"


def test_an_item_may_stand_in_the_properties_and_the_events_own_counts_more() -> None:
    assert event({"itemId": "p"}, ITEM_ID=None).cells["ITEM_ID"] == "p"
    assert event({"itemId": "p"}).cells["ITEM_ID"] == "i"


@pytest.mark.parametrize(
    ("column", "value", "cell"),
    [
        ("I_VALUE", 5, 5),
        ("I_VALUE", "5", 5),
        ("I_VALUE", "+5", 5),
        ("I_VALUE", "-005", -5),
        ("I_VALUE", 5.0, 5),
        ("I_VALUE", "5.0", 5),
        ("I_VALUE", 2**31 - 1, 2**31 - 1),
        ("L_VALUE", str(-(2**63)), -(2**63)),
        ("L_VALUE", "0" * 5000 + "7", 7),
        ("F_VALUE", 4, 4.0),
        ("F_VALUE", ".50", 0.5),
        ("F_VALUE", "1e3", 1000.0),
        ("D_VALUE", 1e300, 1e300),
        ("B_VALUE", True, True),
        ("B_VALUE", "false", False),
        ("S_VALUE", 4, "4"),
        ("S_VALUE", True, "true"),
        ("S_VALUE", "é\u2028", "é\u2028"),
        ("C_VALUE", ["a", "b"], "a|b"),
        ("C_VALUE", [1, True], "1|true"),
        ("T_VALUE", "<b>a</b>&nbsp;\n b", "a b"),
    ],
)
def test_a_value_becomes_a_cell_of_its_columns_type(column: str, value: object, cell: object) -> None:
    found = record({column: value}).cells[column]
    assert found == cell
    assert type(found) is type(cell)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("I_VALUE", 2**31),
        ("I_VALUE", 1.5),
        ("I_VALUE", "1.5"),
        ("I_VALUE", " 1"),
        ("I_VALUE", True),
        ("L_VALUE", 2**63),
        ("L_VALUE", "9" * 5000),
        ("F_VALUE", 1e39),
        ("F_VALUE", -1e39),
        ("F_VALUE", "1e39"),
        ("F_VALUE", "nan"),
        ("F_VALUE", False),
        ("D_VALUE", "1e400"),
        ("B_VALUE", "True"),
        ("B_VALUE", 1),
        ("S_VALUE", "x" * 1001),
        ("S_VALUE", {}),
        ("C_VALUE", ["a", None]),
        ("C_VALUE", [["a"]]),
    ],
)
def test_a_value_that_fits_no_cell_is_refused_with_its_column(column: str, value: object) -> None:
    with pytest.raises(ApiError) as refused:
        record({column: value})
    assert refused.value.code == "InvalidInputException"
    assert column in refused.value.message
    assert len(refused.value.message) < 200


def test_what_fits_no_column_of_an_event_is_noted_and_the_event_is_kept() -> None:
    row = event({"eventValue": "true", "colour": "red"})
    assert row.stored
    assert sorted(notes(row)) == ["INVALID_VALUE", "UNKNOWN_KEY"]
    assert "EVENT_VALUE" not in row.cells
    assert any("colour" in note.reason for note in row.notes)


def test_deeply_nested_properties_are_a_value_like_any_other() -> None:
    nested = "[" * 400 + "]" * 400
    with pytest.raises(ApiError, match="I_VALUE"):
        Mapper(ITEMS).record("ITEM_ID", "i", f'{{"iValue": {nested}}}')
    row = Mapper(INTERACTIONS).event(
        {"ITEM_ID": "i"}, f'{{"eventValue": {nested}}}', user="u", session="s", event=None
    )
    assert notes(row) == ["INVALID_VALUE"]


@pytest.mark.parametrize(
    "column", [name for name in (field.name for field in ITEMS.fields) if name != "ITEM_ID"]
)
@pytest.mark.parametrize("value", [None, ""])
def test_null_and_an_empty_text_are_null_in_every_type(column: str, value: str | None) -> None:
    assert record({column: value}).cells == {"ITEM_ID": "i"}


@pytest.mark.parametrize("key", ["userId", "USER_ID", "sessionId", "eventType", "timestamp", "TimeStamp"])
def test_keys_that_an_event_has_itself_are_forbidden_in_its_properties(key: str) -> None:
    with pytest.raises(ApiError, match=key):
        event({key: "x"})


def test_every_forbidden_key_is_compared_as_names_are() -> None:
    assert {schema.folded(key) for key in FORBIDDEN} == FORBIDDEN


@pytest.mark.parametrize(
    "text", ["", "[]", '"{}"', "null", "{", '{"eventValue": NaN}', '{"eventValue": 1e400}']
)
def test_properties_that_are_no_json_object_are_refused_in_amazons_words(text: str) -> None:
    with pytest.raises(ApiError, match=r"^Error parsing properties json$"):
        Mapper(ITEMS).record("ITEM_ID", "i", text)


@pytest.mark.parametrize("session", ["null", "NULL"])
def test_an_event_of_the_session_null_is_noted_and_not_stored(session: str) -> None:
    row = event(session=session)
    assert not row.stored
    assert notes(row) == ["NULL_SESSION"]


def test_an_event_without_an_item_is_noted_and_not_stored() -> None:
    row = event({"itemId": None}, ITEM_ID=None)
    assert not row.stored
    assert notes(row) == ["NO_ITEM"]
    assert row.cells["USER_ID"] == "u"  # which tells whose the note is


def test_an_event_belongs_to_its_user_or_else_to_its_session() -> None:
    known, unknown = event(name="e"), event(user=None)
    assert (known.key, known.session, known.event) == ("u", "s", "e")
    assert (unknown.key, unknown.session, unknown.event) == ("s", "s", None)
    assert "USER_ID" not in unknown.cells


def test_an_events_own_members_that_the_schema_lacks_are_no_fault() -> None:
    row = event()
    assert row.stored
    assert row.notes == []
    assert set(row.cells) == {"USER_ID", "ITEM_ID", "TIMESTAMP"}  # and no EVENT_TYPE


def test_what_an_event_says_of_its_source_is_kept_though_the_schema_lacks_it() -> None:
    row = event(RECOMMENDATION_ID="r", EVENT_ATTRIBUTION_SOURCE="mail", IMPRESSION="a|b")
    assert (row.cells["RECOMMENDATION_ID"], row.cells["EVENT_ATTRIBUTION_SOURCE"]) == ("r", "mail")
    assert row.notes == []
    assert "IMPRESSION" not in row.cells


def test_a_record_without_a_required_value_is_refused_and_an_event_is_not() -> None:
    required = schema_of("Items", ("ITEM_ID", "string"), ("PRICE", "float"), ("NAME", "string"))
    with pytest.raises(ApiError, match=r"\[PRICE, NAME\]"):
        record({"price": None}, required)
    assert event().stored


def test_a_records_own_id_counts_whatever_its_properties_say() -> None:
    row = record({"itemId": "other", "sValue": "x"})
    assert row.key == row.cells["ITEM_ID"] == "i"
    assert row.notes == []


def test_an_unknown_key_of_a_record_is_noted_beside_what_is_stored() -> None:
    row = record({"colour": "red", "sValue": "x"})
    assert row.stored
    assert notes(row) == ["UNKNOWN_KEY"]
    assert row.cells == {"ITEM_ID": "i", "S_VALUE": "x"}


def test_an_id_may_be_256_characters_long_and_other_text_1000() -> None:
    of = schema_of("Items", ("ITEM_ID", "string"), ("USER_ID", nullable("string")))
    assert record({"userId": "x" * 1000}, of).cells["USER_ID"] == "x" * 1000  # no id of this dataset's
    assert event({"itemId": "x" * 256}, ITEM_ID=None).stored


@pytest.mark.parametrize("item", ["", "x" * 257, 5, 1.5, True, ["a"], {"a": 1}])
@pytest.mark.parametrize("key", ["itemId", "ITEM_ID"])
def test_an_item_in_properties_follows_the_rule_of_the_events_own(key: str, item: object) -> None:
    for own in ("i", None):
        with pytest.raises(ApiError, match=f"{key} in the properties .* of 1 to 256 characters"):
            event({key: item}, ITEM_ID=own)


TIMES = schema_of(
    "Actions",
    ("ACTION_ID", "string"),
    ("CREATION_TIMESTAMP", "long"),
    ("EXPIRATION_TIMESTAMP", nullable("long")),
    ("VALUE", nullable("long")),
    ("REPEAT_FREQUENCY", nullable("long")),
    ("NAME", nullable("string")),
)


@pytest.mark.parametrize("key", ["creationTimestamp", "expirationTimestamp"])
@pytest.mark.parametrize("moment", [-1, "-1", 2**62, "9" * 18, 1e300, "1_0", " 5", "１６", "1e9", True, "x"])
def test_a_time_in_properties_follows_the_rule_of_files(key: str, moment: object) -> None:
    with pytest.raises(ApiError, match=key.removesuffix("Timestamp").upper()):
        record({"creationTimestamp": 0, key: moment}, TIMES)


@pytest.mark.parametrize(
    ("moment", "cell"),
    [
        (0, 0),
        ("0", 0),
        (1_700_000_000.9, 1_700_000_000),
        ("1700000000.9", 1_700_000_000),
        (253_402_300_799, 253_402_300_799),
        (1_700_000_000_123, 1_700_000_000_123),
    ],
)
def test_a_time_is_whole_seconds_or_milliseconds_up_to_the_year_9999(moment: object, cell: int) -> None:
    row = Mapper(TIMES).record("ACTION_ID", "a", json.dumps({"creationTimestamp": moment}))
    assert row.cells["CREATION_TIMESTAMP"] == cell


@pytest.mark.parametrize("said", [{"value": 11}, {"value": "0"}, {"repeatFrequency": 31}])
def test_what_an_action_is_worth_and_how_often_it_comes_follow_the_rules_of_files(said: object) -> None:
    with pytest.raises(ApiError, match=r"VALUE|REPEAT_FREQUENCY"):
        record({"creationTimestamp": 1} | said, TIMES)  # type: ignore[operator]


def test_ids_that_no_database_can_keep_are_refused() -> None:
    with pytest.raises(ApiError, match="null character"):
        Mapper(ITEMS).record("ITEM_ID", "a\0b", None)
    for change in ({"user": "a\0"}, {"session": "\0"}, {"name": "e\0"}):
        with pytest.raises(ApiError, match="null character"):
            event(**change)  # type: ignore[arg-type]


def test_a_note_has_no_character_that_a_database_cannot_keep() -> None:
    row = event({"a\0b": 1, "eventValue": "\0"})
    assert notes(row) == ["UNKNOWN_KEY", "INVALID_VALUE"]
    assert not any("\0" in note.reason for note in row.notes)


def test_text_is_cut_where_the_import_cuts_it() -> None:
    assert len(record({"tValue": "a" * 30_000}).cells["T_VALUE"]) == 20_000
    for letter in "中ひカ々𠀀ｱ":  # Han, Hiragana, Katakana, also past what is common
        assert len(record({"tValue": letter * 9000}).cells["T_VALUE"]) == 7000


COLUMN_KEYS = st.sampled_from([f"{name.lower()}Value" for name in TYPES] + ["itemId", "eventValue", "tVALUE"])
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.from_regex(r"[+-]?[0-9]{1,40}(\.[0-9]*)?(e[0-9]{1,3})?", fullmatch=True),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def fits(field: schema.Field, cell: object) -> bool:
    """Return whether DuckDB's column of this type can have the cell."""
    if field.type in ("int", "long"):
        bound = 2**31 if field.type == "int" else 2**63
        return type(cell) is int and -bound <= cell < bound
    if field.type in ("float", "double"):
        return type(cell) is float and math.isfinite(cell)
    if field.type == "boolean":
        return type(cell) is bool
    return isinstance(cell, str) and 0 < len(cell) <= (20_000 if field.textual else 1000)


def drained(folder: Path, cells: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return the rows of records as a drain casts them, by their number."""
    path = folder / "records.json"
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in cells))
    kinds = {field.name: field.sql_type for field in ITEMS.fields}
    source = f"read_json('{path}', format = 'newline_delimited', columns = {kinds})"
    return duckdb.execute(f"SELECT {', '.join(kinds)} FROM {source}").fetchall()


@settings(
    max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(properties=st.dictionaries(COLUMN_KEYS | st.text(), JSON_VALUES, max_size=6))
@example(properties={"fValue": 1e39})
@example(properties={"lValue": "9" * 5000})
def test_any_json_object_is_refused_or_fits_the_columns(tmp_path: Path, properties: dict[str, Any]) -> None:
    by_name = {field.name: field for field in ITEMS.fields}
    text = json.dumps(properties)
    rows = []
    try:
        rows.append(Mapper(ITEMS).record("ITEM_ID", "i", text))
    except ApiError as refused:
        assert refused.code == "InvalidInputException"
    try:
        rows.append(Mapper(ITEMS).event({"ITEM_ID": "i"}, text, user="u", session="s", event=None))
    except ApiError as refused:
        assert refused.code == "InvalidInputException"
    for row in rows:
        assert all(fits(by_name[name], cell) for name, cell in row.cells.items())
        assert len(drained(tmp_path, [row.cells])) == 1


NUMBERS = st.from_regex(r"[+-]?[0-9]{0,22}\.?[0-9]{0,3}([eE][+-]?[0-9]{1,3})?", fullmatch=True)
PLAIN = (
    NUMBERS
    | st.integers().map(str)
    | st.floats(width=32).map(str)
    | st.floats().map(str)
    | st.sampled_from(["true", "false", "True", "1_000", " 1", "1 ", "0x10", "inf", "٣", "null", "1e39", ""])
)
TEXTS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40
) | st.sampled_from(
    [
        "<b>bold</b> and &amp; more",
        "a\u3000b\xa0",
        " \t padded \r\n ",
        "<br>",
        "x" * 1001,
        "a\x1cb",
        "\v",
        '"',
        "\\",
    ]
)


def imported(folder: Path, rows: list[tuple[str, str]]) -> Checked:
    """Return the import of a CSV file with one cell a row, as column and text."""
    names = [field.name for field in ITEMS.fields]
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(names)
    for at, (column, cell) in enumerate(rows):
        cells = {"ITEM_ID": str(at), column: cell.replace("\\", "\\\\")}
        writer.writerow([cells.get(name, "") for name in names])
    path = folder / "x.csv"
    path.write_text(text.getvalue(), newline="")
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    file = InputFile(path, "s3://b/x.csv", path.stat().st_size)
    return check.read_and_check(
        [file],
        ITEMS,
        parts,
        "0",
        scratch=parts.parent,
        job=JobRules(0, None),
        memory_bytes=200_000_000,
        progress=lambda _: None,
        stop=lambda: False,
    )


@settings(
    max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([*(f"{one}_VALUE" for one in "ILFDB"), "CREATION_TIMESTAMP"]), PLAIN)
        | st.tuples(st.sampled_from(["S_VALUE", "C_VALUE", "T_VALUE"]), TEXTS),
        min_size=1,
        max_size=25,
    )
)
@example(rows=[("T_VALUE", "<br>")])
@example(
    rows=[("I_VALUE", "12.0"), ("L_VALUE", "-7."), ("I_VALUE", "1.5"), ("L_VALUE", "9223372036854775807.0")]
)
@example(
    rows=[
        ("CREATION_TIMESTAMP", text)
        for text in (
            "0.9",
            "1789343901.55",
            "-0.5",
            "-0",
            "-1",
            "253402300799999.9",
            "253402300800000",
            "1e9",
        )
    ]
)
@example(rows=[("T_VALUE", "a\u3000b"), ("T_VALUE", "\x1c a"), ("T_VALUE", "々" * 8000)])
@example(
    rows=[("F_VALUE", "1e39"), ("F_VALUE", "1e-50"), ("I_VALUE", "+5"), ("L_VALUE", "9223372036854775808")]
)
def test_calls_and_imports_take_and_refuse_the_same_texts_and_read_them_alike(
    tmp_path: Path, rows: list[tuple[str, str]]
) -> None:
    taken: list[tuple[str, str]] = []
    put: list[dict[str, Any]] = []
    refused: list[tuple[str, str]] = []
    for column, text in rows:
        try:
            row = Mapper(ITEMS).record("ITEM_ID", str(len(taken)), json.dumps({column: text}))
        except ApiError:
            refused.append((column, text))
            continue
        taken.append((column, text))
        put.append(row.cells)
    if refused:
        assert imported(tmp_path, refused).report.rows_rejected == len(refused)
    if not taken:
        return
    result = imported(tmp_path, taken)
    assert result.report.faults == ()
    names = ", ".join(field.name for field in ITEMS.fields)
    of_import = duckdb.execute(
        f"SELECT {names} FROM read_parquet(?, file_row_number = true) ORDER BY file_row_number",
        [[str(part.path) for part in result.parts]],
    ).fetchall()
    assert drained(tmp_path, put) == of_import
