"""Every command, one function each, in a module of its noun. What a command needs is imported when it runs.

So ``--help`` is instant.
"""

import os
import sys
from typing import NoReturn

import click

from sartor import __version__
from sartor.cli.access_keys import keys
from sartor.cli.audit import audit
from sartor.cli.backups import backup, restore
from sartor.cli.certificates import ca
from sartor.cli.console import console
from sartor.cli.data import describe, history, report, rollback, validate
from sartor.cli.environment import env
from sartor.cli.models import explain, filters, retrain, training
from sartor.cli.moving import adopt, apply, export
from sartor.cli.options import show
from sartor.cli.resources import jobs, list_resources, status, stop
from sartor.cli.roles import roles
from sartor.cli.schemas import schema
from sartor.cli.service import cluster, demo, doctor, serve, worker
from sartor.cli.units import unit
from sartor.cli.upgrades import upgrade
from sartor.private import UMASK

#: Every command.                                                                       <- add a command
COMMANDS: tuple[click.Command, ...] = (
    *(serve, worker, cluster, env, demo, doctor, keys, roles, ca, audit),
    *(backup, restore, upgrade, unit),
    *(console, list_resources, status, jobs, stop),
    *(export, apply, adopt),
    *(validate, schema, report, describe, history, rollback),
    *(training, retrain, explain, filters),
)


@click.group(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "color": False if os.environ.get("NO_COLOR") else None,  # https://no-color.org
    }
)
@click.version_option(__version__, prog_name="sartor")
def cli() -> None:
    """Amazon Personalize that runs anywhere.

    \b
    Example:
      sartor serve &
      eval "$(sartor env)"
      aws personalize list-recipes
    """


for _command in COMMANDS:
    cli.add_command(_command)


def main() -> NoReturn:
    """Run the command line; exits with 0, 1 (it failed) or 2 (usage)."""
    os.umask(UMASK)
    try:
        code = cli(standalone_mode=False)  # click returns the code of its Exit and does not raise it
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        if isinstance(error, click.UsageError):
            error.show()
        else:
            show(f"Error: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(code or 0)
