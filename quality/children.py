"""A measure in a process of its own, as a worker trains: its memory and threads are its own."""

import json
import os
import subprocess
import sys
from typing import Any, Final

#: Threads that wait sleep.
_ENVIRONMENT: Final = {**os.environ, "OMP_WAIT_POLICY": "passive"}
_CALL: Final = """
import json, sys
from importlib import import_module
found = getattr(import_module(sys.argv[1]), sys.argv[2])(*json.loads(sys.argv[3]))
print(json.dumps(found))
"""


def returned(module: str, function: str, *arguments: object) -> Any:
    """Return what a function of a module returns for these arguments; all of it goes through JSON.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is on the standard error.
    """
    command = [sys.executable, "-c", _CALL, module, function, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=_ENVIRONMENT)
    return json.loads(done.stdout.splitlines()[-1])
