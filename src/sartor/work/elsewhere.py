"""A job on another machine that reaches the same database, storage and buckets."""

import platform
from pathlib import Path
from typing import Final, NamedTuple

from sartor.data.machines import require_folders
from sartor.data.remote import Remote
from sartor.errors import Unavailable
from sartor.resources.store import Resource
from sartor.scratch import Scratch
from sartor.work.tools import Tools, mark_of, opened


class There(NamedTuple):
    """A job as this machine has it.

    Attributes:
        job: the resource.
        tools: of this machine.
        scratch: its folder, which is this process's as long as it lives.
    """

    job: Resource
    tools: Tools
    scratch: Scratch


#: What this process has opened, by the mark of its job: a process of a cluster works for one job after the other.
_OPENED: Final[dict[str, There]] = {}


def there(remote: Remote, arn: str, mark: str) -> There:
    """Return a job here; it is opened once a process.

    Args:
        remote: where things lie.
        arn: the job's.
        mark: as ``mark_of`` gives it to the job's worker; it tells whether this machine has the same database.

    Raises:
        Unavailable: this machine lacks settings or folders, or has another database.
        OSError: the database cannot be reached.
    """
    if mark not in _OPENED:
        for one in _OPENED.values():
            one.tools.store.close()
            one.scratch.close()
        _OPENED.clear()
        _OPENED[mark] = _opened(remote, arn, mark)
    return _OPENED[mark]


def _opened(remote: Remote, arn: str, mark: str) -> There:
    settings = remote.settings()
    if "://" not in settings.storage:
        require_folders([Path(settings.storage)])
    scratch = Scratch(settings)
    tools = opened(settings, scratch.folder)
    job = tools.store.get(arn)
    if job is None or mark_of(job, tools.store) != mark:
        tools.store.close()
        scratch.close()
        raise Unavailable(
            f"{platform.node()} has another database than the worker: give every machine of the cluster the same "
            "SARTOR_DATABASE."
        )
    return There(job, tools, scratch)
