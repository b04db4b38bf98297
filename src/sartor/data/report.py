"""What an import found: the report that people and programs read."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sartor.data.rules import RULES

#: How many places a fault shows in the report, and how many lines of rejects.csv it may have.
EXAMPLES: Final = 10
REJECTS: Final = 10_000
#: How many places a failure reason names.
_REASON_PLACES = 3


@dataclass(frozen=True)
class Place:
    """Where a rule is broken; a place without a line is a whole file, one without a file the whole job."""

    file: str | None
    line: int | None
    value: str | None


@dataclass(frozen=True)
class Fault:
    """One broken rule of one column.

    Attributes:
        code: the rule's, a key of ``RULES``.
        column: the column, or what a rule of a file names; may be empty.
        count: how often it is broken.
        places: the first of them, in the order of files and lines, at most ``REJECTS``.
    """

    code: str
    column: str
    count: int
    places: tuple[Place, ...]

    @property
    def rule(self) -> str:
        """What the rule demands, in words."""
        return RULES[self.code].text.format(column=self.column)


@dataclass(frozen=True)
class ReadFile:
    """One file that was read."""

    uri: str
    size_bytes: int
    rows: int


@dataclass(frozen=True)
class Report:
    """What one import found.

    Attributes:
        files: what was read.
        rows_rejected: how many rows break a rule.
        faults: every broken rule by column.
        seconds: how long the check took.
        warnings: what a person should know although it breaks nothing, such as a few cells that became null.
    """

    files: tuple[ReadFile, ...]
    rows_rejected: int
    faults: tuple[Fault, ...]
    seconds: float
    warnings: tuple[Fault, ...] = ()

    @property
    def rows_read(self) -> int:
        """How many rows the files have."""
        return sum(file.rows for file in self.files)

    @property
    def verdict(self) -> Literal["imported", "failed"]:
        """What becomes of the job: one broken rule fails it."""
        return "failed" if self.faults else "imported"

    def failure_reason(self) -> str:
        """Return the job's ``failureReason``: the rules in Amazon's words, with the first places."""
        return " ".join(_reason(fault) for fault in self.faults[:5])

    def to_json(self) -> dict[str, Any]:
        """Return the report in the form of ``report.json``."""
        return {
            "verdict": self.verdict,
            "rowsRead": self.rows_read,
            "rowsImported": self.rows_read - self.rows_rejected,
            "rowsRejected": self.rows_rejected,
            "bytesRead": sum(file.size_bytes for file in self.files),
            "seconds": round(self.seconds, 3),
            "files": [{"uri": file.uri, "bytes": file.size_bytes, "rows": file.rows} for file in self.files],
            "faults": [_shown(fault) for fault in self.faults],
            "warnings": [_shown(warning) for warning in self.warnings],
        }

    def written(self, job_arn: str) -> dict[str, bytes]:
        """Return the content of ``report.json`` and ``rejects.csv`` by name."""
        found = {"jobArn": job_arn, **self.to_json()}
        return {
            "report.json": json.dumps(found, ensure_ascii=False, indent=2).encode(),
            "rejects.csv": self._rejects().encode(),
        }

    def _rejects(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("file", "line", "column", "code", "rule", "value"))
        for fault in self.faults:
            for place in fault.places:
                writer.writerow((place.file, place.line, fault.column, fault.code, fault.rule, place.value))
        return text.getvalue()


def _shown(fault: Fault) -> dict[str, Any]:
    return {
        "code": fault.code,
        "column": fault.column,
        "count": fault.count,
        "rule": fault.rule,
        "examples": [_example(place) for place in fault.places[:EXAMPLES]],
    }


def _example(place: Place) -> dict[str, Any]:
    found = {"file": place.file, "line": place.line, "value": place.value}
    return {name: value for name, value in found.items() if value is not None or name == "value"}


def _reason(fault: Fault) -> str:
    """Return one fault's sentence: the rule, how often, and the first places."""
    places: Sequence[Place] = [place for place in fault.places[:_REASON_PLACES] if place.file is not None]
    if not places:
        return fault.rule
    where = "; ".join(_where(place) for place in places)
    more = "" if fault.count <= len(places) else ", …"
    rows = "1 row: " if fault.count == 1 else f"{fault.count} rows: "
    return f"{fault.rule} ({rows if places[0].line else ''}{where}{more})"


def _where(place: Place) -> str:
    name = "the job" if place.file is None else place.file
    return name if place.line is None else f"{name} line {place.line}"
