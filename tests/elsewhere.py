"""Another machine: it shares nothing with the job's but an S3 service, and has settings and keys of its own."""

import pickle
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import compute_work
from sartor.compute.processes import Processes
from spread_checks import InTurn

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
SECRET = "secret-of-the-role"


class Elsewhere(InTurn):
    """Runs pieces as another machine would, which gets them as bytes and has an environment of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(far=True)
        self.sent = b""
        self.folder = folder
        self._monkeypatch = monkeypatch
        self.environment = {"SARTOR_DATA": str(folder), "SARTOR_CONFIG": str(folder / "sartor.toml")}
        folder.mkdir()
        (folder / "sartor.toml").write_text(
            f'[roles."{ROLE}"]\naws_access_key_id = "ROLEKEY"\naws_secret_access_key = "{SECRET}"\n'
        )

    def map(self, work: Any, pieces: Sequence[Any], need: Any, **how: Any) -> None:
        sent = [pickle.dumps((work, piece)) for piece in pieces]
        self.sent += b"".join(sent)
        with self._monkeypatch.context() as context:
            for name, value in self.environment.items():
                context.setenv(name, value)
            self.run(sent, need, **how)

    def run(self, sent: Sequence[bytes], need: Any, **how: Any) -> None:
        """Run what was sent."""
        super().map(run_sent, sent, need, **how)

    def left(self) -> list[str]:
        """Return the files that pieces have left there."""
        return sorted(
            path.name
            for path in self.folder.rglob("*")
            if path.is_file() and path.name not in ("sartor.toml", ".lock")
        )


class DyingElsewhere(Elsewhere):
    """The same in two processes; each piece's is killed once, when its work is done and nobody knows."""

    def run(self, sent: Sequence[bytes], need: Any, **how: Any) -> None:
        self.pieces += len(sent)
        killed = tempfile.mkdtemp(dir=self.folder)
        dying = partial(compute_work.dies_when_done, run_sent, killed)
        Processes(2).map(dying, list(enumerate(sent)), need, **how)


def run_sent(content: bytes, heard: Any) -> Any:
    work, piece = pickle.loads(content)
    return work(piece, heard)
