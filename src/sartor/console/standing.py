"""What there is and how it stands, as texts for people: ``sartor list`` and ``sartor status``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sartor.console import terminal, texts


def listed(resources: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of resources, with why what failed has failed below it.

    Args:
        resources: as ``/sartor/v1/resources`` has them.
    """
    if not resources:
        return "There is nothing yet."
    rows = [(one["kind"], one["name"], one.get("status", ""), _moment(one["updatedAt"])) for one in resources]
    parts = [terminal.table(("kind", "name", "status", "changed"), rows)]
    failed = [f"{one['name']}: {one['failureReason']}" for one in resources if "failureReason" in one]
    return "\n\n".join([*parts, *failed])


def status(url: str, found: Mapping[str, Any]) -> str:
    """Return how a server stands.

    Args:
        url: where it listens.
        found: as ``/sartor/v1/status`` has it.
    """
    lines = [f"Sartor {found['version']} answers at {url}"]
    counts = [_counted(kind, count) for kind, count in found["resources"].items()]
    lines.append(", ".join(counts) if counts else "There is nothing yet.")
    if not found["work"]:
        return "\n".join([*lines, "Nothing runs, and nothing waits."])
    names = {one["arn"]: f"{one['kind']} {one['name']}" for one in found["work"]}
    rows = [
        (
            f"{one['verb']} {one['kind']} {one['name']}",
            one["state"],
            _lasted(one.get("seconds")),
            _how(one, names),
        )
        for one in found["work"]
    ]
    table = terminal.table(("work", "state", "for", "how far, or why"), rows, align="<<>")
    return "\n".join([*lines, "", table])


def _how(work: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return how far work is, or what it waits for."""
    told = texts.progress(work["progress"])
    if work["state"] == "running":
        again = f"attempt {work['attempt']}" if work["attempt"] > 1 else ""
        return ", ".join(part for part in (told, again) if part)
    if work["running"] == 0:
        return told or "no worker has taken it: is one running?"
    others = [names[arn] for arn in work["waitsFor"]] or ["work of another account"]
    before = f", and {work['before']} before it" if work["before"] else ""
    return f"waits for {' and '.join(others)}{before}: a worker does one {work['lane']} job at a time"


def _counted(kind: str, count: int) -> str:
    """Return a count of a kind in words."""
    noun = kind.replace("-", " ")
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"


def _lasted(seconds: float | None) -> str:
    """Return how long something lasts in the largest unit of which there is one."""
    if seconds is None:
        return ""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _moment(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
