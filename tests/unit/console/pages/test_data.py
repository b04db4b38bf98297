"""What the pages of data draw, and the schema that their form makes."""

import json
import re

from sartor.console.pages.data_add import schema_of
from sartor.console.pages.data_pictures import pictures_of
from sartor.data import schema

FOUND = {
    "rows": 10,
    "users": 4,
    "items": 3,
    "columns": [
        {"name": "USER_ID", "type": "string", "nulls": 0, "distinct": 4},
        {
            "name": "GENRE",
            "type": "string",
            "nulls": 5,
            "distinct": 2,
            "categories": 2,
            "topCategories": [{"category": "<b>", "rows": 4}, {"category": "x" * 50, "rows": 1}],
        },
    ],
    "eventsByDay": [{"day": "2024-01-01", "events": 6}, {"day": "2025-06-30", "events": 4}],
    "usersByEvents": [{"events": "1", "users": 4}],
    "itemsByEvents": [{"events": "1", "items": 3}],
    "eventsByType": [{"eventType": None, "events": 10}],
    "advice": [],
}


def test_every_picture_is_drawn_of_what_was_found() -> None:
    pictures = pictures_of(FOUND)
    titles = [re.findall("<figcaption>(.*?)</figcaption>", one)[0] for one in pictures.charts]
    assert [title.partition(":")[0].partition(",")[0] for title in titles] == [
        "Interactions over time",
        "Events by type",
        "Histories",
        "The long tail",
        "Missing values",
        "GENRE",
    ]
    assert pictures.figures == [("rows", 10), ("users", 4), ("items", 3)]
    assert "<b>" not in "".join(pictures.charts)


def test_time_is_drawn_in_a_hundred_points_at_most_and_none_is_lost() -> None:
    (first, *_) = pictures_of(FOUND).charts
    assert "each week" in first
    numbers = re.findall(r'<th scope="row">[\d-]+</th><td class="end">(\d+)</td>', first)
    assert len(numbers) == 79
    assert sum(map(int, numbers)) == 10


def test_nothing_is_drawn_of_nothing() -> None:
    pictures = pictures_of({"rows": 0, "columns": [{"name": "A", "type": "string", "nulls": 0}]})
    assert pictures.charts == []


def test_the_form_makes_a_schema_without_what_is_left_out() -> None:
    fields = [
        {"column": name, "type": kind, "null": null, "use": use}
        for name, kind, null, use in (
            ("ITEM_ID", "string", "no", "plain"),
            ("GENRE", "string", "yes", "categorical"),
            ("PRICE", "float", "yes", "categorical"),  # what was guessed of a text
            ("NOTE", "string", "no", "left out"),
        )
    ]
    text = schema_of(fields, "Items")
    assert [one["name"] for one in json.loads(text)["fields"]] == ["ITEM_ID", "GENRE", "PRICE"]
    _, genre, price = schema.parse(text).fields
    assert (genre.nullable, genre.categorical, price.type) == (True, True, "float")
