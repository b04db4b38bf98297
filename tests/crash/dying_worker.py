"""A worker that is killed by SIGKILL, or stopped by SIGSTOP, right before or right after one named step of a job.

The step is the real function; nothing in the product knows of this.
"""

import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from sartor.database.sqlite import Writer


class Step(NamedTuple):
    """One call of one function.

    Attributes:
        module: where it is.
        owner: its class, if it has one.
        function: its name.
        call: which of its calls is the step; 1 is the first.
    """

    module: str
    owner: str | None
    function: str
    call: int = 1


#: The steps of each job, in their order.
STEPS: dict[str, dict[str, Step]] = {
    "import": {
        "claim": Step("sartor.resources.lifecycle", None, "claim"),
        "list": Step("sartor.data.sources", "AccountSources", "list"),
        "spool": Step("sartor.data.sources", "AccountSources", "spool"),
        "verify": Step("sartor.data.sources", "AccountSources", "verify"),
        "check": Step("sartor.work.import_data", None, "_checked"),
        "report": Step("sartor.work.import_data", None, "_keep_report"),
        "commit": Step("sartor.data.table", "Table", "commit"),
        "finish": Step("sartor.resources.lifecycle", None, "finish"),
    },
    # of an import whose pieces run in processes
    "pieces": {"third piece": Step("sartor.compute.pool", None, "unpacked", 3)},
    "drain": {
        "take lease": Step("sartor.data.events", "PutRecords", "lease"),
        "count metrics": Step("sartor.data.samples", "Samples", "add"),
        "write part": Step("sartor.data.dataset", None, "write_part"),
        "store part": Step("sartor.data.table", "Table", "_store_parts"),
        "commit": Step("sartor.data.table", "Table", "change"),
        "end lease": Step("sartor.data.events", "PutRecords", "end_lease"),
    },
    "export": {
        "delete old parts": Step("sartor.data.sources", "AccountSources", "delete"),
        "write first part": Step("sartor.data.sources", "AccountSources", "write", 1),
        "write second part": Step("sartor.data.sources", "AccountSources", "write", 2),
        "finish": Step("sartor.resources.lifecycle", None, "finish"),
    },
    # of a group with users whom calls put in, and interactions that were imported, drained, and put in since
    "deletion": {
        "take first lease": Step("sartor.data.events", "PutRecords", "lease", 1),
        "take second lease": Step("sartor.data.events", "PutRecords", "lease", 2),
        "drain": Step("sartor.data.table", "Table", "change", 1),
        "write down count": Step("sartor.resources.store", "Transaction", "merge_private"),
        "delete put users": Step("sartor.data.events", "PutRecords", "delete_keys", 1),
        "rewrite users": Step("sartor.data.table", "Table", "change", 2),
        "vacuum users": Step("sartor.data.table", "Table", "vacuum", 2),
        "delete put interactions": Step("sartor.data.events", "PutRecords", "delete_keys", 2),
        "rewrite imported": Step("sartor.data.table", "Table", "change", 3),
        "vacuum imported": Step("sartor.data.table", "Table", "vacuum", 3),
        "rewrite drained": Step("sartor.data.table", "Table", "change", 4),
        "vacuum drained": Step("sartor.data.table", "Table", "vacuum", 4),
        "redact reports": Step("sartor.data.deletion", None, "_redact_reports", 2),
        "end leases": Step("sartor.data.events", "PutRecords", "end_lease"),
        "finish": Step("sartor.resources.lifecycle", None, "finish"),
    },
    "training": {
        "claim": Step("sartor.resources.lifecycle", None, "claim"),
        "read": Step("sartor.data.training", None, "read"),
        "evaluate": Step("sartor.models.evaluation", None, "measure"),
        "store first file": Step("sartor.data.blobs", "FolderBlobs", "put_file", 1),
        "store record": Step("sartor.data.blobs", "FolderBlobs", "put", 1),
        "finish": Step("sartor.resources.lifecycle", None, "finish"),
    },
    "optimization": {"third trial": Step("sartor.work.trials", "Trials", "score", 3)},
    # of two files
    "batch": {
        "write answers": Step("sartor.data.sources", "AccountSources", "replace", 1),
        "mark file": Step("sartor.data.blobs", "FolderBlobs", "put", 1),
        "finish": Step("sartor.resources.lifecycle", None, "finish"),
    },
    "update": {
        "alter imported": Step("sartor.data.table", "Table", "add_columns", 1),
        "alter drained": Step("sartor.data.table", "Table", "add_columns", 2),
        "finish": Step("sartor.resources.lifecycle", None, "finish"),
    },
}


def kill() -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def stop() -> None:
    """Stop this process, while none of its threads writes: it would hold SQLite's lock against everybody."""
    gc.unfreeze()  # a worker hides what it has loaded from the collector
    found = 0
    with ExitStack() as stack:
        for one in gc.get_objects():
            if isinstance(one, Writer):
                stack.enter_context(one._turn)
                found += 1
        assert found, "a worker has one"
        os.kill(os.getpid(), signal.SIGSTOP)


def die_at(job: str, step: str, when: str) -> None:
    """Replace the step's function by one that kills or stops this process before or after its work."""
    end = stop if when.startswith("pause-") else kill
    when = when.removeprefix("pause-")
    module_name, owner_name, function_name, call = STEPS[job][step]
    owner: Any = importlib.import_module(module_name)
    if owner_name is not None:
        owner = getattr(owner, owner_name)
    original: Callable[..., Any] = getattr(owner, function_name)
    calls = 0

    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        # drains and chores run in the main thread, jobs in others
        is_ours = (threading.current_thread() is threading.main_thread()) == (job == "drain")
        calls += is_ours
        is_step = is_ours and calls == call
        if is_step and when == "before":
            end()
        answer = original(*arguments, **options)
        if function_name == "claim":  # an idle claim is not the step
            calls, is_step = 0, answer is not None
        if is_step and when == "after":
            end()
        return answer

    setattr(owner, function_name, dying)


def write_small_parts() -> None:
    """Let an export write several files of little data."""
    import sartor.data.export

    vars(sartor.data.export)["_FILE_BYTES"] = 10_000


def check_small_pieces() -> None:
    """Let an import of little data have several pieces."""
    import sartor.data.check

    vars(sartor.data.check)["PIECE_BYTES"] = 5_000


#: What else a job needs to have the steps that are named above.
_SMALL: dict[str, Callable[[], None]] = {"export": write_small_parts, "pieces": check_small_pieces}


def run(moment: tuple[str, str, str] | None, options: Sequence[str]) -> None:
    """Be a worker with these options, and die or stop at a moment: a job, its step, and when."""
    if moment is not None:
        die_at(*moment)
        _SMALL.get(moment[0], lambda: None)()
    from sartor.cli import main

    sys.argv = ["sartor", "worker", *options]
    main()
