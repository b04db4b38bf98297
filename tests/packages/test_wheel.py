"""The wheel is the same whoever builds it, and is all that a service needs."""

import importlib.util
import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

# a minute of building and installing
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("check_jsonschema") is None, reason="make test-packages brings the tools"
)
ROOT = Path(__file__).parents[2]
SERVE_AND_IMPORT = """
import sys
from pathlib import Path
import sartor
from layouts import service
from sartor.demo.server import Server

assert Path(sartor.__file__).is_relative_to(sys.prefix), sartor.__file__
data, bucket = Path("data"), Path("bucket")
bucket.mkdir()
(bucket / "items.csv").write_text(service.items())
with Server(data, {"training": bucket}) as server:
    call = service.Caller(server)
    group = call.made("dataset_group", name="shop")
    schema = call.made("schema", name="s", schema=service.schema("Items", ("ITEM_ID", "string"), ("PRICE", "float")))
    dataset = call.made("dataset", name="d", schemaArn=schema, datasetGroupArn=group, datasetType="ITEMS")
    source = {"dataLocation": "s3://training/items.csv"}
    call.made("dataset_import_job", jobName="j", datasetArn=dataset, dataSource=source, roleArn=service.ROLE)
"""


def built(folder: Path, umask: str) -> Path:
    """Return a wheel that is built here, as someone with another umask would."""
    command = f"umask {umask}; exec {sys.executable} deploy/wheel.py {folder} --no-build-isolation"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"), "077")


def test_two_builds_of_a_commit_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = built(tmp_path, "022")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_it_has_every_file_of_the_package(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "src/sartor"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(wheel) as archive:
        missing = {name.removeprefix("src/") for name in listed.stdout.split()} - set(archive.namelist())
    assert {name for name in missing if not name.endswith(".md")} == set()


def test_it_serves_and_imports_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "installed"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python = home / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*install, wheel], check=True)
    (place,) = home.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages") or path in site.getsitepackages()]
    (place / "others.pth").write_text("\n".join(others))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    run = [home / "bin" / "sartor", "--version"]
    assert b"sartor" in subprocess.run(run, cwd=tmp_path, capture_output=True, check=True).stdout
    done = subprocess.run(
        [python, "-c", SERVE_AND_IMPORT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
