"""What commands share: settings as options, ``--json``, and failures as exit codes."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import click

from sartor.console import terminal
from sartor.settings import SETTINGS, Settings, SettingsError, load, unknown_variables

Function = TypeVar("Function", bound=Callable[..., Any])

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def settings_options(*names: str) -> Callable[[Function], Function]:
    """Return a decorator that gives a command the options of these settings, or of all."""

    def decorate(function: Function) -> Function:
        for setting in reversed(SETTINGS):
            if not setting.option or (names and setting.name not in names):
                continue
            default = f"  [default: {setting.default}]" if setting.default and not setting.switch else ""
            text = f"{setting.help}{default}"
            repeated = setting.name in ("bucket", "oidc_issuer", "cors")
            how: dict[str, Any] = {"metavar": setting.metavar, "multiple": repeated}
            if setting.switch:
                how = {"is_flag": True}
            function = click.option(setting.flag, setting.name, help=text, **how)(function)
        return function

    return decorate


def settings_of(flags: dict[str, Any]) -> Settings:
    """Return the settings; a wrong value is a usage error, and a variable that is no setting is named."""
    _name_unknown_variables()
    try:
        return load(flags)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


@cache
def _name_unknown_variables() -> None:
    """Say once which variables of the environment look like settings and are none."""
    for name, meant in unknown_variables(os.environ).items():
        hint = f"; is {meant} meant?" if meant is not None else ""
        show(f"Warning: {name} is no setting{hint}", err=True)


def show(text: str, err: bool = False) -> None:
    """Print a text for people: on a terminal none of its words is broken at the end of a line."""
    click.echo(terminal.fitted(text, sys.stderr if err else sys.stdout), err=err)


@contextmanager
def failures(*kinds: type[Exception]) -> Iterator[None]:
    """Turn what can go wrong for a reason of the user's into exit code 1 and the reason."""
    try:
        yield
    except kinds as error:
        raise click.ClickException(_in_words(error)) from error


def _in_words(error: Exception) -> str:
    """Return what an error says, without the system's number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
