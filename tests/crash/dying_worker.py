"""A worker that is killed by SIGKILL right before or right after one named step of an import job.

Run as ``python dying_worker.py STEP before|after WORKER_OPTION…``. The step is the real function; nothing in the
product knows of this.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

#: The steps of an import job, in their order, as (module, owner, function).
STEPS = {
    "claim": ("sartor.resources.lifecycle", None, "claim"),
    "list": ("sartor.data.sources", "Sources", "list"),
    "spool": ("sartor.data.sources", "Sources", "spool"),
    "check": ("sartor.work.import_data", None, "_checked"),
    "report": ("sartor.work.import_data", None, "_keep_report"),
    "commit": ("sartor.data.table", "Table", "commit"),
    "finish": ("sartor.resources.lifecycle", None, "finish"),
}


def die_at(step: str, when: str) -> None:
    """Replace the step's function by one that kills this process before or after its work."""
    module_name, owner_name, function_name = STEPS[step]
    owner: Any = importlib.import_module(module_name)
    if owner_name is not None:
        owner = getattr(owner, owner_name)
    original: Callable[..., Any] = getattr(owner, function_name)

    def dying(*arguments: Any, **options: Any) -> Any:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = original(*arguments, **options)
        if answer is not None or function_name != "claim":  # an idle claim is not the step
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, function_name, dying)


if __name__ == "__main__":
    die_at(sys.argv[1], sys.argv[2])
    from sartor.cli import main

    sys.argv = ["sartor", "worker", *sys.argv[3:]]
    main()
