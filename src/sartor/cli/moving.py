"""The commands that move resources: export, apply, adopt."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sartor.cli.options import JSON, failures, settings_options, show
from sartor.cli.servers import Asked, asked_for
from sartor.console import terminal
from sartor.resources.kind_names import DATASET_IMPORT_JOB

if TYPE_CHECKING:
    from sartor.moving.adopt import Adopted
    from sartor.moving.declared import Resources
    from sartor.moving.doing import Outcome
    from sartor.moving.plan import Step
    from sartor.wire.clients import Client

_GROUP = click.option(
    "--group", "groups", multiple=True, metavar="NAME", help="Only this dataset group; repeatable."
)


@click.command()
@_GROUP
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write into a file.  [default: standard output]",
)
@settings_options("data", "host", "port")
@JSON
def export(groups: tuple[str, ...], output: Path | None, as_json: bool, **flags: Any) -> None:
    """Write what there is as a file that declares it: groups, schemas, datasets, filters, solutions and so on.

    Data is not in it; `sartor apply FILE` makes the same elsewhere.

    \b
    Example:
      sartor export --group shop -o shop.yaml
    """
    client = client_of(asked_for(flags))
    from sartor.moving import own_form, reading

    with _call_failures():
        found = reading.read(client, set(groups) or None)
        require_groups(groups, found)
    text = (
        json.dumps(own_form.sections(found), indent=2, ensure_ascii=False) + "\n"
        if as_json
        else own_form.write(found)
    )
    if output is None:
        click.echo(text, nl=False)
        return
    with failures(OSError):
        output.write_text(text, encoding="utf-8")
    show(f"{len(found):,} resources are in {output}.", err=True)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the plan, and change nothing.")
@click.option(
    "--wait", is_flag=True, help="Wait for imports, trainings and recommenders, and for what needs them."
)
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A value of a CloudFormation template's parameter; repeatable.",
)
@settings_options("data", "host", "port")
@JSON
def apply(
    file: Path, dry_run: bool, wait: bool, parameters: tuple[str, ...], as_json: bool, **flags: Any
) -> None:
    """Make a server have what a file declares, and change nothing that is so already.

    FILE is what `sartor export` wrote, or a CloudFormation template with AWS::Personalize resources; - is standard
    input. Nothing is ever deleted: what cannot be changed in place is said, and then nothing is done.
    The exit code is 1 if something cannot be changed, or has failed.

    \b
    Example:
      sartor apply shop.yaml --dry-run
      sartor apply shop.yaml --wait
    """
    server = asked_for(flags)
    given = _parameters(parameters)
    from sartor.moving import file as files
    from sartor.moving.declared import DeclarationError

    name = "standard input" if str(file) == "-" else str(file)
    stem = "stack" if str(file) == "-" else file.stem
    pseudo = {
        "AWS::AccountId": server.key.account,
        "AWS::Partition": "aws",
        "AWS::Region": server.region,
        "AWS::StackName": stem,
    }
    with failures(DeclarationError, OSError, UnicodeError):
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        declared = files.read(name, text, {**pseudo, **given})
    if not as_json:
        for note in declared.notes:
            show(f"Note: {note}", err=True)
    with _call_failures():
        code = _apply(client_of(server), declared.resources, dry_run, wait, as_json)
    raise click.exceptions.Exit(code)


@click.command()
@click.option(
    "--profile", required=True, metavar="NAME", help="The AWS profile of the account that moves in."
)
@click.option(
    "--endpoint-url", metavar="URL", help="Where it is asked.  [default: as the profile says, else Amazon]"
)
@click.option("--source-region", metavar="REGION", help="The region that moves in.  [default: the profile's]")
@_GROUP
@click.option(
    "--export-to", metavar="S3URL", help="Move the data too: s3://bucket/prefix for its export jobs."
)
@click.option("--role-arn", metavar="ARN", help="The role that writes there, and reads from there here.")
@click.option("--dry-run", is_flag=True, help="Show what would be built, and change nothing.")
@click.option(
    "--calls-a-second",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    help="How often it is asked at most.",
)
@settings_options("data", "host", "port")
@JSON
def adopt(
    profile: str,
    endpoint_url: str | None,
    source_region: str | None,
    groups: tuple[str, ...],
    export_to: str | None,
    role_arn: str | None,
    dry_run: bool,
    calls_a_second: float,
    as_json: bool,
    **flags: Any,
) -> None:
    """Build here what an Amazon account, or another Sartor, has, and show what differs.

    It only reads there, but for the export jobs of --export-to. Run again, it goes on where it was. The exit code is 1
    if anything differs in the end.

    \b
    Example:
      sartor adopt --profile prod --group shop \\
        --export-to s3://my-bucket/moved \\
        --role-arn arn:aws:iam::111122223333:role/personalize
    """
    if (export_to is None) != (role_arn is None):
        raise click.UsageError("--export-to and --role-arn go together.")
    if export_to is not None and not re.fullmatch(r"s3://[^/]+(/.*)?", export_to):
        raise click.UsageError("--export-to must be s3://bucket/prefix.")
    server = asked_for(flags)
    target = client_of(server)
    from sartor.moving import adopt as moving
    from sartor.wire import clients

    data = None if export_to is None or role_arn is None else (export_to, role_arn)
    with _call_failures():
        place = clients.of_profile(profile, endpoint_url, source_region)
        source = clients.Client(place, calls_a_second)
        adopted = moving.adopt(source, target, set(groups) or None, data, dry_run, saying(as_json))
    rows = _rows_imported(server, adopted)
    if as_json:
        click.echo(json.dumps(_adopted_json(adopted, rows), indent=2, ensure_ascii=False, default=str))
    else:
        show(_adopted_text(adopted, rows, dry_run))
    raise click.exceptions.Exit(0 if dry_run or not adopted.differences else 1)


def _rows_imported(server: Asked, adopted: "Adopted") -> list[tuple[str, int, int]]:
    """Return what the reports of imports say: the dataset, its rows, and how many of them were rejected."""
    if adopted.outcome is None:
        return []
    rows = []
    for dataset, job in adopted.imports.items():
        if (DATASET_IMPORT_JOB, dataset) in adopted.outcome.failed:
            continue
        report = server.ask(f"/sartor/v1/import-jobs/{job}/report")
        rows.append((dataset, report.get("rowsImported", 0), report.get("rowsRejected", 0)))
    return rows


def _adopted_json(adopted: "Adopted", rows: Sequence[tuple[str, int, int]]) -> dict[str, Any]:
    from sartor.moving import plan as plans
    from sartor.moving.doing import Outcome

    return {
        "plan": plans.shown(adopted.steps),
        "summary": plans.counts(adopted.steps),
        **shown(adopted.outcome or Outcome()),
        "rows": [{"dataset": name, "imported": whole, "rejected": bad} for name, whole, bad in rows],
        "trackers": [
            {"name": name, "trackingIdThere": there, "trackingIdHere": here}
            for name, (there, here) in adopted.trackers.items()
        ],
        "differences": [vars(one) for one in adopted.differences],
        "notes": adopted.notes,
    }


def _adopted_text(adopted: "Adopted", rows: Sequence[tuple[str, int, int]], dry_run: bool) -> str:
    from sartor.moving.doing import Outcome

    parts = [
        planned(adopted.steps),
        concluded(adopted.steps, adopted.outcome or Outcome(), dry_run, "Run it again"),
    ]
    if rows:
        cells = [(name, f"{whole:,}", f"{bad:,}") for name, whole, bad in rows]
        parts.append(terminal.table(("dataset", "rows imported", "rejected"), cells, align="<>>"))
    if adopted.trackers:
        ids = [(name, *pair) for name, pair in adopted.trackers.items()]
        parts.append(terminal.table(("event tracker", "its id there", "its id here"), ids))
    parts += adopted.notes
    if not dry_run and adopted.differences:
        cells_of = [
            (one.kind, one.name, one.member, _brief(one.there), _brief(one.here))
            for one in adopted.differences
        ]
        parts.append(
            terminal.table(("kind", "name", "member", "there", "here"), cells_of, title="What differs")
        )
    if not dry_run:
        parts.append(f"{len(adopted.differences)} differences.")
    return "\n\n".join(part for part in parts if part)


def _apply(client: "Client", wanted: "Resources", dry_run: bool, wait: bool, as_json: bool) -> int:
    """Plan, show the plan, carry it out, and return the exit code."""
    from sartor.moving import plan as plans
    from sartor.moving import reading
    from sartor.moving.doing import Applying, Outcome

    found = reading.read(client, plans.named_groups(wanted), plans.named_schemas(wanted))
    wanted, found = reading.with_imports(client, wanted, found)
    steps = plans.plan(wanted, found)
    blocked = any(step.action == "cannot change" for step in steps)
    if not as_json and any(step.action != "same" for step in steps):
        click.echo(planned(steps))
    outcome = Outcome()
    if not blocked and not dry_run:
        outcome = Applying(client, wanted, found, wait, saying(as_json)).carry_out(steps)
    failed = blocked or bool(outcome.failed)
    if as_json:
        told = {"plan": plans.shown(steps), "summary": plans.counts(steps), **shown(outcome)}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False, default=str))
    if failed or not as_json:
        show(concluded(steps, outcome, dry_run), err=failed)
    return int(failed)


def planned(steps: Sequence["Step"]) -> str:
    """Return a plan as a table; what stays as it is is not in it."""
    rows = []
    for step in steps:
        if step.action == "same":
            continue
        what = [f"{one.member}: {_brief(one.found)} → {_brief(one.wanted)}" for one in step.changes]
        words = "; ".join(what) if step.found is not None else ""
        rows.append((step.action, step.wanted.kind, step.wanted.name, words))
    if not rows:
        return ""
    return terminal.table(("", "kind", "name", "what"), rows)


def concluded(
    steps: Sequence["Step"], outcome: "Outcome", dry_run: bool, again: str = "Run it again, or with --wait,"
) -> str:
    """Return what became of a plan, in sentences; ``again`` says how to go on."""
    from sartor.moving import plan as plans

    counts = plans.counts(list(steps))
    if counts["cannot change"]:
        blocked = [
            f"{step.wanted.place}: {step.wanted.label} cannot be changed: {step.why}"
            for step in steps
            if step.action == "cannot change"
        ]
        return "\n".join([*blocked, "Nothing was done."])
    if counts["same"] == len(steps):
        lines = [f"Nothing to change: {len(steps):,} resources are as declared."]
    elif dry_run:
        return f"{counts['create']} to create, {counts['update']} to change, {counts['same']} as declared."
    else:
        lines = [f"{len(outcome.done):,} done, {counts['same']:,} were as declared."]
    lines += [f"failed: {kind} {name}: {why}" for (kind, name), why in outcome.failed.items()]
    lines += [f"left: {kind} {name}: {why}" for (kind, name), why in outcome.left.items()]
    if outcome.working:
        lines.append(f"At work: {', '.join(one.label for one in outcome.working)}.")
    if outcome.left or outcome.working:
        lines.append(f"{again} for what is left; `sartor status` shows how far it is.")
    return "\n".join(lines)


def shown(outcome: "Outcome") -> dict[str, Any]:
    """Return what became of a plan as JSON has it."""
    return {
        "done": [{"kind": one.kind, "name": one.name} for one in outcome.done],
        "failed": [{"kind": kind, "name": name, "why": why} for (kind, name), why in outcome.failed.items()],
        "left": [{"kind": kind, "name": name, "why": why} for (kind, name), why in outcome.left.items()],
        "working": [{"kind": one.kind, "name": one.name} for one in outcome.working],
    }


def saying(quiet: bool) -> Callable[[str], None]:
    """Return what tells of progress: a line each on stderr, with its time."""
    begun = time.monotonic()

    def say(line: str) -> None:
        if not quiet:
            show(f"{time.monotonic() - begun:6.1f} s  {line}", err=True)

    return say


def client_of(server: Asked) -> "Client":
    """Return a client of the control plane of a server."""
    from sartor.wire.clients import Client, Place

    with _call_failures():
        return Client(Place(server.url, server.region, server.key, server.token, server.bundle))


def require_groups(wanted: Sequence[str], found: "Resources") -> None:
    """Refuse names of dataset groups that there are not.

    Raises:
        click.ClickException: there is none of that name.
    """
    from sartor.resources.kind_names import DATASET_GROUP

    missing = [name for name in wanted if (DATASET_GROUP, name) not in found]
    if missing:
        raise click.ClickException(f"There is no dataset group {' and no '.join(missing)} there.")


@contextmanager
def _call_failures() -> Iterator[None]:
    """Turn what a service refuses into exit code 1 and the reason."""
    from sartor.wire.call import CallError

    with failures(CallError):
        yield


def _parameters(given: Sequence[str]) -> Mapping[str, str]:
    pairs = [one.partition("=") for one in given]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise click.UsageError("--parameter takes NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _brief(value: Any) -> str:
    """Return a value in a few words."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return "nothing" if value is None else text if len(text) <= 60 else f"{text[:57]}…"
