"""The repository keeps its own rules."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from sartor import __version__
from sartor.data.rules import RULES
from sartor.resources.control import ANSWERED
from sartor.settings import SETTINGS

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src" / "sartor").rglob("*.py"))
FORBIDDEN_NAMES = ("utils", "helpers", "manager")
#: A file is read in one sitting.
LONGEST_FILE = 600


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_imports_keep_to_the_layers() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_reference_pages_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_is_short_and_says_what_it_is(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    assert module.stem not in FORBIDDEN_NAMES
    assert ast.get_docstring(ast.parse(text)), "a module needs a docstring"


def test_every_command_has_an_example_in_its_help() -> None:
    from sartor.cli import cli

    def walk(command: click.Command) -> None:
        assert "Example:" in (command.help or ""), command.name
        for inner in getattr(command, "commands", {}).values():
            walk(inner)

    walk(cli)


def test_every_setting_operation_and_fault_code_is_documented() -> None:
    reference = ROOT / "docs" / "reference"
    settings, operations, codes = (
        (reference / page).read_text() for page in ("settings.md", "operations.md", "fault-codes.md")
    )
    assert all(f"`{setting.name}`" in settings for setting in SETTINGS)
    assert all(f"| {name} |" in operations for name in ANSWERED)
    assert all(f"`{code}`" in codes for code in RULES)


def test_the_command_line_starts_without_what_is_heavy() -> None:
    heavy = ("duckdb", "deltalake", "boto3", "botocore", "sqlalchemy", "uvicorn", "rich")
    code = f"import sys, sartor.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    for file in (ROOT / "constraints").glob("*.txt"):
        for line in file.read_text().splitlines():
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+]+", line), (file.name, line)


def test_nothing_that_is_tracked_names_a_machine() -> None:
    machine = re.compile(r"/(?:work|root|home)/[a-z]|files\.pythonhosted|artifactory", re.IGNORECASE)
    for path in tracked():
        if path == Path(__file__) or path.suffix in (".png", ".lock"):
            continue
        found = machine.search(path.read_text(encoding="utf-8", errors="replace"))
        assert found is None, (path, found and found[0])


def test_the_version_is_one() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
