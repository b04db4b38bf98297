"""A Grafana board and Prometheus' alert rules, written from the table of measures."""

import json
from collections.abc import Iterator
from typing import Any

from sartor.measures import MEASURES, Measure

#: Grafana's grid has 24 columns.
_WIDTH, _HEIGHT, _IN_A_ROW = 12, 8, 2


def board() -> str:
    """Return the board as JSON: a graph for each measure, its data source chosen when it is looked at."""
    found = {
        "uid": "sartor",
        "title": "Sartor",
        "tags": ["sartor"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(at, one) for at, one in enumerate(MEASURES)],
    }
    return json.dumps(found, indent=2) + "\n"


def _panel(at: int, measure: Measure) -> dict[str, Any]:
    """Return the graph at one place of the grid."""
    row, column = divmod(at, _IN_A_ROW)
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": at + 1,
        "type": "timeseries",
        "title": measure.name.removeprefix("sartor_").replace("_", " "),
        "description": measure.text,
        "datasource": source,
        "gridPos": {"x": _WIDTH * column, "y": _HEIGHT * row, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": measure.unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": source, "expr": measure.panel}],
    }


def alert_rules() -> Iterator[str]:
    """Yield the lines of the alert rules, as YAML; every text is quoted as JSON is, which YAML reads."""
    yield "# Written by docs/generate.py; change src/sartor/measures.py, not this file."
    yield "groups:"
    yield "  - name: sartor"
    yield "    rules:"
    for alert in (alert for one in MEASURES for alert in one.alerts):
        yield f"      - alert: {alert.name}"
        yield f"        expr: {_quoted(alert.expression)}"
        yield f"        for: {alert.lasts}"
        yield f"        labels: {{severity: {alert.severity}}}"
        yield f"        annotations: {{summary: {_quoted(alert.text)}}}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
