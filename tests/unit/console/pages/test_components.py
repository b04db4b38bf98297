"""What pages are made of: tables that the address sorts and parts, charts, texts, the same by a program."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.hostile import HOSTILE
from sartor.console.pages import charts, rendering, tables
from sartor.console.pages.asking import Asks
from sartor.console.pages.calls import Call, OwnCall
from sartor.console.pages.page import Visit
from sartor.console.pages.snippets import lines_of
from sartor.wire import operations
from sartor.wire.sign import Caller, HttpRequest

COLUMNS = (
    tables.Column("name", "Name", sort=True),
    tables.Column("size", "Size", sort=True),
    tables.Column("x", "X"),
)
ROWS = [{"name": f"Row {n}", "size": n % 7, "x": n} for n in range(120)]
OPERATIONS = {one.name: one for one in operations.load().all}


def visit(**query: str) -> Visit:
    request = HttpRequest("GET", "/console/x", "", {}, b"")
    caller = Caller("000000000000", "us-east-1", "")
    return Visit(caller, request, Asks(None, caller, request), query)  # type: ignore[arg-type]


def table(**query: str) -> tables.Table:
    return tables.of_rows(visit(**query), "Rows", COLUMNS, ROWS, "Nothing.", sort="-x", searched=("name",))


def test_a_table_has_one_page_and_the_addresses_of_its_neighbours() -> None:
    pages = [table(), table(page="2"), table(page="3")]
    assert [len(one.rows) for one in pages] == [50, 50, 20]
    assert [bool(one.before) for one in pages] == [False, True, True]
    assert [bool(one.after) for one in pages] == [True, True, False]
    assert pages[0].after == "/console/x?page=2"
    assert {one.total for one in pages} == {120}


def test_the_address_sorts_and_searches_and_what_it_cannot_ask_is_left_out() -> None:
    assert [row["size"] for row in table(sort="-size").rows] == sorted(
        (n % 7 for n in range(120)), reverse=True
    )[:50]
    assert table(sort="size").sort_links["size"] == "/console/x?sort=-size"
    assert table(sort="x").rows == table(sort="nothing").rows == table().rows
    assert [row["name"] for row in table(search="rOW 11").rows] == [
        *(f"Row {n}" for n in range(119, 109, -1)),
        "Row 11",
    ]
    assert table(search="nobody").empty == "Nothing has “nobody”."
    assert len(table(page="-1").rows) == len(table(page="x").rows) == 50
    assert table(page="99").rows == []


def test_values_of_every_sort_have_an_order() -> None:
    rows: list[dict[str, Any]] = [{"name": value} for value in ("b", None, 3, "A", 2.5, "")]
    found = tables.of_rows(visit(sort="name"), "c", COLUMNS, rows, "e").rows
    assert [row["name"] for row in found] == [None, "", 2.5, 3, "A", "b"]


numbers = st.floats(0, 1e12, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from(HOSTILE), numbers), max_size=40), st.sampled_from(HOSTILE))
def test_a_chart_is_well_formed_and_its_texts_stay_texts(pairs: list[tuple[str, float]], title: str) -> None:
    words, values = [word for word, _ in pairs], [value for _, value in pairs]
    for drawn in (
        charts.bars(title, pairs),
        charts.lines(
            title, words, [charts.Series(title, values), charts.Series("x", [None, *values][: len(values)])]
        ),
        charts.sparkline(title, values),
    ):
        text = str(drawn)
        for control in ("\r", "\ufeff"):
            text = text.replace(control, "")
        root = ElementTree.fromstring(text)
        assert {one.tag for one in root.iter()}.isdisjoint({"script", "img", "iframe", "form", "style", "a"})
        heights = [float(one.get("height", "0")) for one in root.iter("rect")]
        assert all(0 <= height <= 220 for height in heights)


def test_a_charts_table_has_its_numbers() -> None:
    text = str(charts.bars("Events", [("Monday", 3), ("Tuesday", 12_345)]))
    assert '<td class="end">3</td>' in text
    assert "12.3 k" in text


@pytest.mark.parametrize(
    ("call", "python", "shell"),
    [
        (Call("ListRecipes", {}), "personalize.list_recipes()", "aws personalize list-recipes"),
        (
            Call("CreateSolution", {"name": "it's", "performHPO": False, "solutionConfig": {"x": [1, True]}}),
            'personalize.create_solution(name="it\'s", performHPO=False, solutionConfig={"x": [1, True]})',
            "aws personalize create-solution --name 'it'\"'\"'s' --no-perform-hpo "
            "--solution-config '{\"x\": [1, true]}'",
        ),
        (
            Call("GetRecommendations", {"campaignArn": "arn", "userId": "-1", "numResults": 5}),
            'runtime.get_recommendations(campaignArn="arn", userId="-1", numResults=5)',
            "aws personalize-runtime get-recommendations --campaign-arn arn --user-id=-1 --num-results 5",
        ),
        (OwnCall(("status",)), "", "sartor status --json"),
        (
            OwnCall(("resources",), {"kinds": "filter", "limit": "3"}),
            "",
            "sartor list filter --limit 3 --json",
        ),
        (OwnCall(("datasets", "a/b", "rollback"), {}, {"to": 2}), "", "sartor rollback a/b --to 2"),
    ],
)
def test_a_call_has_its_line_of_python_and_of_a_shell(call: Call | OwnCall, python: str, shell: str) -> None:
    (lines,) = lines_of([call, call], OPERATIONS)
    assert (lines.python, lines.shell) == (python, shell)


def test_what_no_command_asks_is_asked_by_curl_with_a_signature() -> None:
    (lines,) = lines_of([OwnCall(("traffic",), {"x": "1 2"})], OPERATIONS)
    assert lines.title == "GET /sartor/v1/traffic?x=1+2"
    assert "--aws-sigv4" in lines.shell
    assert lines.shell.endswith('"$AWS_ENDPOINT_URL_PERSONALIZE/sartor/v1/traffic?x=1+2"')


def test_numbers_times_and_sizes_are_said_as_people_say_them() -> None:
    assert rendering.number(1234567) == '<data value="1234567">1,234,567</data>'
    assert rendering.number(0.123456) == '<data value="0.123456">0.123</data>'
    assert rendering.size(1_530_000) == "1.53 MB"
    assert [rendering.lasted(one) for one in (0.42, 42, 300, 9_000, 200_000)] == [
        "0.4 s",
        "42 s",
        "5 min",
        "2 h",
        "2 d",
    ]
    assert rendering.moment(0) == '<time datetime="1970-01-01T00:00:00+00:00">1970-01-01 00:00:00 UTC</time>'
    assert rendering.short("arn:aws:personalize:us-east-1:000000000000:dataset/shop/ITEMS") == "shop/ITEMS"
