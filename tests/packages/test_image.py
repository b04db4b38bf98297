"""The Dockerfile is well written, and the files that its steps make serve to who may write nothing but the volume."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from packages.image import Image, build, instructions

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
needs_tools = pytest.mark.skipif(hadolint is None, reason="make test-packages brings the tools")


def test_it_ends_as_nobody_in_particular_and_looks_after_itself() -> None:
    *_, (_, first), (_, second) = ((kind, rest) for kind, rest in instructions(DOCKERFILE) if kind == "FROM")
    assert first.partition(" AS ")[0] == second  # what is copied finds the same Python
    last = dict(instructions(DOCKERFILE))
    assert last["USER"] == "10001:10001"
    assert last["VOLUME"] == "/data"
    assert "/livez" in last["HEALTHCHECK"]


@needs_tools
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def base_python() -> Path:
    """Return a Python that every user of this machine may run, as that of the base image."""
    for path in (Path(sys.base_prefix, "bin", "python3"), Path("/usr/bin/python3")):
        if all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents):
            return path
    pytest.skip("no Python of this machine is everybody's")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    mask = os.umask(0o022)
    try:
        with TemporaryDirectory(
            prefix="sartor-image-"
        ) as folder:  # pytest's own folders are its user's alone
            Path(folder).chmod(0o755)
            yield build(DOCKERFILE, Path(folder), base_python(), os.environ)
    finally:
        os.umask(mask)


@needs_tools
@pytest.mark.timeout(600)
def test_the_files_of_its_steps_serve_to_its_user_who_writes_to_the_volume_alone(image: Image) -> None:
    (image.root / "tmp").chmod(0o1777)
    as_user = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "--bounding-set=-all"]
    environment = image.environment(SARTOR_PORT="4977")
    server = subprocess.Popen(
        [*as_user, *image.command("ENTRYPOINT", "CMD")],
        cwd=image.here(image.settings["WORKDIR"]) if "WORKDIR" in image.settings else image.root / "data",
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert "listening on http://0.0.0.0:4977" in server.stdout.readline()
        check = [*as_user, *image.command("HEALTHCHECK")]
        deadline = time.monotonic() + 30
        while subprocess.run(check, env=environment, check=False, stderr=subprocess.DEVNULL).returncode != 0:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    assert (image.root / "data" / "sartor" / "sartor.db").exists()
    written = {
        path.relative_to(image.root).parts[0]
        for path in image.root.rglob("*")
        if path.lstat().st_uid == 10001
    }
    assert written <= {"data", "tmp"}
    assert not list(image.root.glob("opt/**/site-packages/pip"))
