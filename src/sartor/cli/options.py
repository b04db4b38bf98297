"""What commands share: settings as options, ``--json``, and failures as exit codes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from sartor.settings import SETTINGS, Settings, SettingsError, load

Function = TypeVar("Function", bound=Callable[..., Any])

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
#: The environment variables that `sartor env` prints, one for each service.


def settings_options(*names: str) -> Callable[[Function], Function]:
    """Return a decorator that gives a command the options of these settings, or of all."""

    def decorate(function: Function) -> Function:
        for setting in reversed(SETTINGS):
            if not setting.option or (names and setting.name not in names):
                continue
            default = f"  [default: {setting.default}]" if setting.default else ""
            text = f"{setting.help}{default}"
            repeated = setting.name == "bucket"
            option = click.option(
                setting.flag, setting.name, metavar=setting.metavar, help=text, multiple=repeated
            )
            function = option(function)
        return function

    return decorate


def settings_of(flags: dict[str, Any]) -> Settings:
    """Return the settings; a wrong value is a usage error."""
    try:
        return load(flags)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def failures(*kinds: type[Exception]) -> Iterator[None]:
    """Turn what can go wrong for a reason of the user's into exit code 1 and the reason."""
    try:
        yield
    except kinds as error:
        raise click.ClickException(str(error)) from error
