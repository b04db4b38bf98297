"""Write the reference pages from the code; ``--check`` only says which are out of date (exit code 1)."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate.py; change the code, not this page. -->\n"


def commands() -> Iterator[str]:
    """Yield the page of every command."""
    from sartor.cli import cli

    yield "# Commands\n"
    yield "Every command prints `--help`; the exit code is 0, 1 (it failed, the reason is on stderr) or 2 (usage).\n"
    for name, command in _commands(cli, "sartor"):
        with click.Context(command, info_name=name) as context:
            yield f"## `{name}`\n\n```\n{command.get_help(context)}\n```\n"


def _commands(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, group
    if isinstance(group, click.Group):
        for word, command in sorted(group.commands.items()):
            yield from _commands(command, f"{name} {word}")


def settings() -> Iterator[str]:
    """Yield the page of every setting."""
    from sartor.settings import SETTINGS

    yield "# Settings\n"
    yield (
        "A value comes from the option, else from the environment variable, else from `sartor.toml` in the current "
        "folder (or the file that `SARTOR_CONFIG` names), else from the default.\n"
    )
    yield "| key in `sartor.toml` | option of `serve` | environment | default | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for setting in SETTINGS:
        option = f"`{setting.flag} {setting.metavar}`".replace("|", "\\|") if setting.option else ""
        default = f"`{setting.default}`" if setting.default else ""
        yield f"| `{setting.name}` | {option} | `{setting.variable}` | {default} | {setting.help} |"
    yield (
        '\n`[roles."arn:aws:iam::…:role/…"]` in the file gives the S3 credentials of an import job\'s role: '
        "`aws_access_key_id`, `aws_secret_access_key`, and perhaps `aws_session_token` and `region`.\n"
    )


def operations() -> Iterator[str]:
    """Yield the page of all operations."""
    from sartor.resources.control import ANSWERED
    from sartor.wire.operations import load

    found = load().all
    built = sum(operation.name in ANSWERED for operation in found)
    yield "# Operations\n"
    yield f"{built} of {len(found)} operations are answered. The others validate their request and then say so.\n"
    yield "| operation | service | answered | errors |\n| --- | --- | --- | --- |"
    for operation in found:
        answered = "yes" if operation.name in ANSWERED else ""
        yield f"| {operation.name} | {operation.service} | {answered} | {', '.join(sorted(operation.errors))} |"


def fault_codes() -> Iterator[str]:
    """Yield the page of every rule that an import checks."""
    from sartor.data.rules import RULES

    yield "# Fault codes\n"
    yield (
        "The `code` of a fault in `report.json` and `rejects.csv`, and the rule in words. `{column}` is the column, "
        "or the number that a rule of a whole job names.\n"
    )
    yield "| code | rule |\n| --- | --- |"
    for rule in RULES.values():
        yield f"| `{rule.code}` | {rule.text} |"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "commands.md": commands,
    "settings.md": settings,
    "operations.md": operations,
    "fault-codes.md": fault_codes,
}


def main(check: bool) -> int:
    """Write or check every page; return the exit code."""
    old = []
    for name, page in PAGES.items():
        text = _NOTE + "\n" + "\n".join(page()).rstrip() + "\n"
        place = REFERENCE / name
        if check and (not place.exists() or place.read_text(encoding="utf-8") != text):
            old.append(name)
        elif not check:
            place.write_text(text, encoding="utf-8")
    if old:
        print(f"out of date: {', '.join(old)}; run `make docs`", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
