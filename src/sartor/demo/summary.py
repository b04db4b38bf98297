"""What the demo shows of the datasets: read back through the one read path, as models will read them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from sartor.console import terminal

#: Runs one SELECT over the dataset's view ``data``.
Query = Callable[[str], Iterable[tuple[Any, ...]]]

_LABEL: Final = {"Users": "users", "Items": "items", "Interactions": "interactions"}


def imports(reports: Mapping[str, dict[str, Any]]) -> str:
    """Return a table with a line for each import: rows, size, time, rates."""
    rows = []
    for dataset_type, report in reports.items():
        seconds = max(report["seconds"], 1e-3)
        megabytes = report["bytesRead"] / 1e6
        rows.append(
            (
                dataset_type,
                f"{report['rowsImported']:,}",
                f"{megabytes:,.1f}",
                f"{seconds:,.2f}",
                f"{report['rowsRead'] / seconds:,.0f}",
                f"{megabytes / seconds:,.0f}",
            )
        )
    headings = ("dataset", "rows", "MB", "seconds", "rows/s", "MB/s")
    return terminal.table(headings, rows, title="Imported, all or nothing", align="<>>>>>")


def contents(queries: Mapping[str, Query]) -> str:
    """Return what is in the datasets: counts, time span, events, categories and a few rows.

    Args:
        queries: how to read each dataset, by its type.
    """
    tables = [terminal.table((), _facts(queries), title="What is in the datasets", bold_columns=(0,))]
    for dataset_type, columns in {
        "Items": ("ITEM_ID", "TITLE", "CATEGORY_L1", "CATEGORY_L2", "PRICE"),
        "Interactions": ("USER_ID", "ITEM_ID", "EVENT_TYPE", "EVENT_VALUE", "TIMESTAMP"),
    }.items():
        rows = [
            [_cell(name, value) for name, value in zip(columns, row, strict=True)]
            for row in queries[dataset_type](f"SELECT {', '.join(columns)} FROM data LIMIT 5")
        ]
        align = "".join(">" if name in ("PRICE", "EVENT_VALUE") else "<" for name in columns)
        tables.append(terminal.table(columns, rows, title=f"Some {_LABEL[dataset_type]}", align=align))
    return "\n\n".join(tables)


def _facts(queries: Mapping[str, Query]) -> list[tuple[str, str]]:
    def one(dataset_type: str, select: str) -> tuple[Any, ...]:
        return next(iter(queries[dataset_type](select)))

    def shares(dataset_type: str, values: str, rows: int) -> str:
        """Return the most frequent values with their shares of the rows."""
        found = queries[dataset_type](
            f"SELECT value, count(*) AS n FROM (SELECT {values} AS value FROM data) "
            "GROUP BY value ORDER BY n DESC, value LIMIT 6"
        )
        return ", ".join(f"{value} {n / rows:.0%}" for value, n in found)

    rows, users, items, first, last = one(
        "Interactions",
        "SELECT count(*), count(DISTINCT USER_ID), count(DISTINCT ITEM_ID), "
        "min(TIMESTAMP), max(TIMESTAMP) FROM data",
    )
    (all_users,) = one("Users", "SELECT count(*) FROM data")
    all_items, cheapest, dearest = one("Items", "SELECT count(*), min(PRICE), max(PRICE) FROM data")
    return [
        ("interactions", f"{rows:,}, {rows / users:,.0f} for each user who has any"),
        ("users", f"{all_users:,}, of them {users:,} with interactions"),
        ("items", f"{all_items:,}, of them {items:,} with interactions; {cheapest:,.2f} to {dearest:,.2f}"),
        ("time", f"{_day(first)} to {_day(last)}"),
        ("events", shares("Interactions", "EVENT_TYPE", rows)),
        ("categories", shares("Items", "unnest(string_split(CATEGORY_L1, '|'))", all_items)),
        ("members", shares("Users", "MEMBERSHIP_STATUS", all_users)),
    ]


def refusal(failure_reason: str, report: Mapping[str, Any]) -> str:
    """Return what Amazon's API says of a file that was refused, and what the report knows beyond it."""
    rows = [
        (fault["rule"], fault["column"] or "", f"{fault['count']:,}", _place(fault["examples"][0]))
        for fault in report["faults"]
    ]
    title = f"The report: {report['rowsRead']:,} rows read, {report['rowsRejected']:,} of them rejected"
    shown = terminal.table(("rule", "column", "rows", "first at"), rows, title=title, align="<<>")
    return f"{click.style('CREATE FAILED', fg='red', bold=True)}  {failure_reason}\n\n{shown}"


def _place(example: Mapping[str, Any]) -> str:
    """Say where a fault lies; one of a whole file has no line."""
    line = example.get("line")
    return f"line {line}: {example.get('value')!r}" if line else str(example["file"])


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column in ("PRICE", "EVENT_VALUE"):
        return f"{value:,.2f}"
    return _moment(value) if column == "TIMESTAMP" else str(value)


def _day(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%d %b %Y")


def _moment(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%d %H:%M")
