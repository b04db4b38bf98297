"""A server of one's own: started as a process, asked through boto3, stopped again."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from sartor.keys import AccessKey

_READY: Final = re.compile(r"Sartor is listening on (https?://\S+)")
#: How long a start may take before it counts as failed, and a stop before it is forced.
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0


class ServerStartError(RuntimeError):
    """The server did not start; the message ends with what it said."""


class Server:
    """``sartor serve`` as a process group of its own, with what a client needs to reach it.

    Args:
        data: its ``--data`` folder; what it prints goes to ``serve.log`` in it.
        buckets: names and folders, its ``--bucket`` options.
        options: further options as they are typed.

    Attributes:
        data: as given.
        process: the server's first process, which leads its group.
        url: where it answers.
        environment: what ``sartor env`` says a client's environment needs.
        ready_seconds: from the start of the process to its line that it listens.
    """

    def __init__(self, data: Path, buckets: Mapping[str, Path], options: tuple[str, ...] = ()) -> None:
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        self.log = data / "serve.log"
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-m", "sartor", "serve", "--port", "0", "--data", str(data), *options]
        for name, folder in buckets.items():
            command += ["--bucket", f"{name}={folder}"]
        begun = time.monotonic()
        with self.log.open("ab") as log:
            # A file and no pipe: a server that outlives this process must be able to go on writing.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self.url = self._wait_until_ready()
            self.ready_seconds = time.monotonic() - begun
            self.environment = environment_of(data)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self) -> str:
        """Return the address from the line that says where this server listens."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            match = _READY.search(self._said())
            if match and not ended:
                return match[1]
            if ended:
                break
            time.sleep(0.01)
        raise ServerStartError(f"The server did not start. It said:\n{self._said()[-2000:]}")

    def _said(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def client(self, service: str = "personalize") -> Any:
        """Return boto3's client for the service, as any script in the printed environment would get it."""
        return client_of(self.url, self.environment, service)

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON behind one of the paths that no AWS operation covers, asked for with our signature.

        Raises:
            CallError: it answered with an error.
        """
        return self._call("get", path)

    def post(self, path: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return what such a path answers to a JSON object.

        Raises:
            CallError: it answered with an error.
        """
        return self._call("post", path, members)

    def _call(self, method: str, path: str, *members: Mapping[str, Any]) -> dict[str, Any]:
        from sartor.wire import call  # here and not above, like boto3

        words = self.environment
        key = AccessKey(words["AWS_ACCESS_KEY_ID"], words["AWS_SECRET_ACCESS_KEY"], "")
        found: dict[str, Any] = getattr(call, method)(
            self.url, path, key, words["AWS_DEFAULT_REGION"], *members
        )
        return found

    def stop(self) -> None:
        """End the server and all its processes; a second call does nothing."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def client_of(url: str, environment: Mapping[str, str], service: str) -> Any:
    """Return boto3's client for a service of the server at an address."""
    import boto3  # here and not above: it takes a quarter of a second, which `sartor --help` must not pay

    return boto3.client(service, **client_arguments(url, environment))


def client_arguments(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what boto3 needs to know beside a service to make a client of it."""
    return {
        "endpoint_url": url,
        "region_name": environment["AWS_DEFAULT_REGION"],
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
    }


def environment_of(data: Path) -> dict[str, str]:
    """Return what ``sartor env`` prints for the server on this data folder, as a mapping."""
    printed = subprocess.run(
        [sys.executable, "-m", "sartor", "env", "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
    )
    if printed.returncode:
        raise ServerStartError(f"`sartor env` failed: {printed.stderr.strip()}")
    words = shlex.split(printed.stdout, comments=True)
    return dict(word.split("=", 1) for word in words if "=" in word)
