"""`python -m conformance.wire [--newest | --write]`: whether the service models are those that Sartor is tested with.

Without an option the installed botocore is compared with the record; ``--newest`` fetches the newest release that pip
finds, into a folder that is removed again; ``--write`` makes the installed one the record. The exit code is 1 if
anything differs.
"""

import argparse
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from botocore.loaders import Loader

from sartor.wire import fingerprint
from sartor.wire.operations import models_of, service_models


def main(words: list[str] | None = None) -> int:
    """Compare or write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument("--newest", action="store_true", help="compare the newest release")
    wanted.add_argument("--write", action="store_true", help="keep what the installed release says")
    options = parser.parse_args(words)
    if options.write:
        version = importlib.metadata.version("botocore")
        text = fingerprint.written(fingerprint.facts(service_models()), version)
        fingerprint.RECORD.write_text(text, encoding="utf-8")
        return 0
    found = _newest() if options.newest else fingerprint.facts(service_models())
    recorded = fingerprint.read(fingerprint.RECORD.read_text(encoding="utf-8"))
    differences = fingerprint.differences(recorded, found)
    print("\n".join(map(str, differences)) or "Nothing differs.")
    return 1 if differences else 0


def _newest() -> Mapping[str, str]:
    """Return the facts of the newest botocore that pip finds."""
    with TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            folder,
            "botocore",
        ]
        free = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        subprocess.run(command, check=True, env=free)
        return facts_in(Path(folder) / "botocore" / "data")


def facts_in(data: Path) -> Mapping[str, str]:
    """Return the facts of the service models in the ``data`` folder of a botocore."""
    loader = Loader(extra_search_paths=[str(data)], include_default_search_paths=False)
    return fingerprint.facts(models_of(loader))


if __name__ == "__main__":
    sys.exit(main())
