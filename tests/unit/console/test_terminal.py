"""Tables, charts of bars, and lines that are drawn over themselves."""

import os
from collections.abc import Callable
from io import StringIO

import click
import pytest

from sartor.console import terminal
from sartor.console.terminal import Progress, chart, gauges, table


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the width of the terminal."""

    def be_wide(cells: int) -> None:
        monkeypatch.setenv("COLUMNS", str(cells))

    be_wide(80)
    return be_wide


def test_columns_stand_below_their_headings_and_numbers_end_at_the_right() -> None:
    assert table(("name", "rows"), [("a", "1"), ("longer", "1,234")], align="<>") == (
        "name     rows\n"
        "──────  ─────\n"
        "a           1\n"
        "longer  1,234"
    )  # fmt: skip


def test_a_table_can_lack_headings_and_rows() -> None:
    assert table((), [("a", "1"), ("bc", "2")]) == "a   1\nbc  2"
    assert table(("name", "rows"), []) == "name  rows\n────  ────"
    assert table((), []) == ""


def test_titles_and_what_is_emphasized_are_bold_and_nothing_else_has_a_style() -> None:
    shown = table(("x", "y"), [("1", "2"), ("3", "4")], title="T", bold_rows=[1], bold_columns=[0])
    bold = [click.style(text, bold=True) for text in ("T", "1", "3", "4")]
    assert shown == f"{bold[0]}\nx  y\n─  ─\n{bold[1]}  2\n{bold[2]}  {bold[3]}"


def test_a_wide_character_takes_two_cells_and_a_combining_one_none() -> None:
    accent = "\N{COMBINING ACUTE ACCENT}"
    shown = table((), [("日本", "|"), (f"cafe{accent}", "|"), ("abcd", "|")])
    assert shown == f"日本  |\ncafe{accent}  |\nabcd  |"


def test_what_does_not_fit_goes_on_below_in_its_column(columns: Callable[[int], None]) -> None:
    columns(21)
    assert table(("", "rule"), [("1", "must be a whole number"), ("2", "x")]) == (
        "   rule\n"
        "─  ──────────────────\n"
        "1  must be a whole\n"
        "   number\n"
        "2  x"
    )  # fmt: skip


def test_a_word_that_is_wider_than_its_column_is_broken(columns: Callable[[int], None]) -> None:
    columns(10)
    assert table((), [("0123456789abcde",)]) == "0123456789\nabcde"
    assert table((), [("日本語日本語",)]) == "日本語日本\n語"


def test_a_terminal_that_is_too_narrow_for_any_table_gets_one_all_the_same(
    columns: Callable[[int], None],
) -> None:
    columns(1)
    assert table((), [("0123456789", "x")]) == "01234567  x\n89"


def test_a_cell_cannot_command_the_terminal_or_break_its_line() -> None:
    assert table((), [("\x1b[31mred\r\n\u2028",)]) == r"\x1b[31mred\r\n\u2028"
    assert table(("\x07",), []).startswith(r"\x07")


def test_the_longest_bar_is_the_largest_count_and_what_is_not_nothing_shows() -> None:
    title, most, half, little, nothing = chart(
        "events", [("view", 1000), ("buy", 500), ("return", 1), ("other", 0)]
    ).splitlines()
    assert click.unstyle(title) == "events"
    assert most == f"view    {40 * '█'}  1,000"
    assert half == f"buy     {20 * '█'}{20 * ' '}    500"
    assert little == f"return  ▏{39 * ' '}      1"
    assert nothing == f"other   {40 * ' '}      0"


def test_bars_are_shorter_where_the_terminal_is_narrow(columns: Callable[[int], None]) -> None:
    columns(30)
    assert chart("", [("view", 9)]) == f"view  {21 * '█'}  9"


def test_gauges_show_the_share_that_is_done() -> None:
    assert gauges([("users", 1.5, "3 s"), ("items.csv", 0.25, "")]).splitlines() == [
        f"users      {24 * '█'}  100%  3 s",
        f"items.csv  {6 * '█'}{18 * '░'}   25%",
    ]


class Screen(StringIO):
    """A terminal of 20 columns."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 99


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(terminal, "_REDRAW_SECONDS", 0)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((20, 5)))
    return Screen()


def test_progress_is_drawn_over_what_it_was_and_is_gone_at_the_end(screen: Screen) -> None:
    with Progress(screen) as progress:
        progress.show("one\ntwo")
        progress.show(100 * "3")
    assert screen.getvalue() == f"\r\x1b[Jone\ntwo\r\x1b[1A\x1b[J{20 * '3'}\r\x1b[J"


def test_progress_is_not_drawn_more_often_than_somebody_can_read(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_REDRAW_SECONDS", 100)
    with Progress(screen) as progress:
        progress.show("one")
        progress.show("two")
    assert screen.getvalue() == "\r\x1b[Jone\r\x1b[J"


def test_nothing_is_drawn_where_no_terminal_can_draw_it(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StringIO()
    with Progress(file) as progress:
        progress.show("one")
    assert (progress.watched, file.getvalue()) == (False, "")
    monkeypatch.setenv("TERM", "dumb")
    assert not Progress(screen).watched
