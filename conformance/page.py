"""The page of a run: what was tried of each operation, and the known differences."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from conformance.checks import ASPECTS
from conformance.differences import DIFFERENCES
from conformance.run import Result
from sartor.wire import fingerprint, operations

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "compatibility.md"

_HEAD = """\
# Compatibility

Written by `python -m conformance` (`make conformance`), which starts a server, asks it through boto3 and writes what
came of it. Do not edit it, run it again; the suite runs the same checks.

**{whole} of {every} operations** passed all of their checks, {checks} together. Every answer of the run, refusals too,
is compared with the service model as it came over the wire: members, types, enums, declared errors, HTTP status.
The rules that Amazon documents, with the tests of each: [rules](rules.md).
"""
_DIFFERENCES = """
## Known differences

What a program could notice. Where Amazon documents nothing the rule is Sartor's own; it stands here if there was more
than one to choose from.
"""
_NEWER = """\
## A newer botocore

Operations, members and constraints are read from the botocore that is installed. What those of botocore {version} say
is kept, a line for each fact, in `src/sartor/wire/service_models.txt`. Where the installed ones say something else,
`sartor doctor` lists it, `sartor serve` logs the first lines at its start, and the suite fails.

A maintainer looks at a new release so:

```
.venv/bin/python -m conformance.wire --newest   # fetches the newest botocore beside the installed one: what differs?
.venv/bin/python -m conformance.wire --write    # once it is installed and handled: what it says is what is kept
```
"""


def write(results: Iterable[Result], path: Path = PAGE) -> None:
    """Write the page of a run."""
    path.write_text("\n".join(lines(list(results))).rstrip() + "\n", encoding="utf-8")


def lines(results: list[Result]) -> Iterator[str]:
    """Yield the page of a run."""
    of_operation: dict[str, list[Result]] = {}
    for one in results:
        of_operation.setdefault(one.check.operation, []).append(one)
    every = operations.load().all
    whole = sum(_verdict(of_operation.get(one.name, [])) == "yes" for one in every)
    yield _HEAD.format(whole=whole, every=len(every), checks=len(results))
    yield "| operation | what is tried | passed |\n| --- | --- | --- |"
    for operation in every:
        found = of_operation.get(operation.name, [])
        in_order = sorted(found, key=lambda one: ASPECTS.index(one.check.aspect))
        says = "; ".join(one.check.says for one in in_order)
        yield f"| {operation.name} | {says} | {_verdict(found)} |"
    yield _DIFFERENCES
    for heading, differences in DIFFERENCES.items():
        yield f"### {heading}\n"
        yield "| what | Amazon | Sartor | why |\n| --- | --- | --- | --- |"
        for difference in differences:
            yield f"| {difference.what} | {difference.amazon} | {difference.sartor} | {difference.why} |"
        yield ""
    yield _NEWER.format(version=fingerprint.tested_with())


def _verdict(results: list[Result]) -> str:
    """Return whether all is as it should be, or what is not."""
    flaws = [one.flaw for one in results if one.flaw is not None]
    if flaws:
        return f"no: {flaws[0][:200].replace('|', '/')}"
    return "yes"
