"""The repository keeps its own rules."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import click
import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sartor import __version__
from sartor.app import ANSWERED
from sartor.data.rules import RULES
from sartor.recipes import RECIPES
from sartor.resources.kinds import KINDS
from sartor.settings import SETTINGS
from sartor.wire import operations

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src" / "sartor").rglob("*.py"))
OPENING = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "SECURITY")]
PAGES = [*OPENING, *sorted((ROOT / "docs").rglob("*.md"))]
#: What only one module may do: DuckDB takes a path for a pattern, and a folder for a column, unless it is told not to.
ENGINE = ROOT / "src" / "sartor" / "data" / "engine.py"
ENGINES_OWN = re.compile(
    r"(?<!\.)read_(?:csv|parquet|json|ndjson|text|blob)|(?:parquet_(?:metadata|kv_metadata|schema|file_metadata|scan))"
    r"|\bsniff_csv|\bglob\(['{]|hive_|\bCOPY \(|memory_limit|temp_directory"
    r"|\bduckdb\.(?:connect|execute|sql|query|default_connection|from_|read_)",
    re.IGNORECASE,
)
FORBIDDEN_NAMES = ("utils", "helpers", "manager")
#: What a base install brings; heavy parts are extras.
BASE = {
    *(
        "arro3-core",  # comes with deltalake anyway
        "backports-zstd",
        "boto3",
        "botocore",
        "click",
        "deltalake",
        "duckdb",
        "httptools",
        "obstore",
        "orjson",
        "prometheus-client",
        "pyyaml",  # sartor apply: 3 MB
    ),
    *("lark", "numpy", "regex", "sqlalchemy", "threadpoolctl", "uvicorn"),
}
#: A file is read in one sitting, a function at a glance; in lines.
LONGEST_FILE, LONGEST_FUNCTION = 600, 60


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_imports_keep_to_the_layers() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("sartor", exclude_type_checking_imports=True)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imported).prepare()  # raises CycleError


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
    parsed = ast.parse(text)
    assert ast.get_docstring(parsed), "a module needs a docstring"
    functions = [one for one in ast.walk(parsed) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    lines = [(one.name, (one.end_lineno or 0) - one.lineno + 1) for one in functions]
    assert [(name, n) for name, n in lines if n > LONGEST_FUNCTION] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_engine_opens_connections_of_duckdb_and_names_files_to_it(module: Path) -> None:
    if module != ENGINE:
        found = ENGINES_OWN.search(module.read_text())
        assert found is None, f"{found and found[0]}: data/engine.py has a function for it"


def test_every_command_has_an_example_on_a_line_of_its_own_in_its_help() -> None:
    from sartor.cli import cli

    def walk(command: click.Command, name: str) -> None:
        with click.Context(command, info_name=name) as context:
            assert re.search(
                r"\n  Example:\n    \S.*sartor|\n  Example:\n    sartor", command.get_help(context)
            ), name
        for word, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{name} {word}")

    walk(cli, "sartor")


def test_every_command_that_prints_data_has_json() -> None:
    from sartor.cli import cli, keys

    names = ("env", "validate", "report", "doctor", "training", "retrain", "explain")
    printing = [cli.commands[name] for name in names]
    for command in [*printing, keys.commands["add"], keys.commands["list"]]:
        assert "--json" in [word for option in command.params for word in option.opts], command.name


def test_every_setting_operation_and_fault_code_is_documented() -> None:
    reference = ROOT / "docs" / "reference"
    settings, listed, codes = (
        (reference / page).read_text() for page in ("settings.md", "operations.md", "fault-codes.md")
    )
    assert all(f"`{setting.name}`" in settings for setting in SETTINGS)
    every = operations.load().all
    assert len(every) == 79
    for operation in every:
        assert f"| {operation.name} | {operation.service} | " in listed
    assert all(f"`{code}`" in codes for code in RULES)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_page_can_be_found_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert f"]({page.relative_to(ROOT)})" in readme, page


def test_the_readme_counts_the_operations_that_are_answered() -> None:
    for page in ("README.md", "CHANGELOG.md"):
        assert f"ll {len(ANSWERED)} operations do their work" in (ROOT / page).read_text(), page


def test_the_command_line_starts_without_what_is_heavy() -> None:
    heavy = ("duckdb", "deltalake", "boto3", "botocore", "sqlalchemy", "uvicorn")
    code = f"import sys, sartor.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_sql_joins_to_one_text_says_in_which_order() -> None:
    joining = re.compile(r"(?:group_concat|string_agg|listagg|array_agg|\blist)\(", re.IGNORECASE)
    ordered = re.compile(r"ORDER BY[^)]*\)|\(body, \?\) OVER \(ORDER BY", re.IGNORECASE)
    for module in MODULES:
        tree = ast.parse(module.read_text())
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        for text in (one for one in texts if isinstance(one, str) and "SELECT" in one):
            for found in joining.finditer(text):
                assert ordered.search(text[found.start() : found.start() + 200]), (module, text)


def test_a_base_install_brings_no_more_than_it_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {canonicalize_name(Requirement(text).name) for text in project["dependencies"]} == BASE


def test_every_package_that_the_install_brings_is_pinned() -> None:
    lines = (ROOT / "constraints" / "all.txt").read_text().splitlines()
    pinned = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    todo = [Requirement(text) for text in project["dependencies"] + extras["postgres"] + extras["test"]]
    seen = set()
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        assert pinned.get(name) == importlib.metadata.version(name), name
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            applies = [{"extra": extra} for extra in wanted.extras or {""}]
            if needed.marker is None or any(needed.marker.evaluate(extra) for extra in applies):
                todo += [needed] if str(needed) not in seen else []
                seen.add(str(needed))


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    for file in (ROOT / "constraints").glob("*.txt"):
        for line in file.read_text().splitlines():
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+]+", line), (file.name, line)


def test_nothing_that_is_tracked_names_a_machine() -> None:
    machine = re.compile(r"(?<!\w)/(?:work|root|home)/[a-z]|files\.pythonhosted|artifactory", re.IGNORECASE)
    for path in tracked():
        if path == Path(__file__) or path.suffix in (".png", ".lock"):
            continue
        found = machine.search(path.read_text(encoding="utf-8", errors="replace"))
        assert found is None, (path, found and found[0])


def test_the_version_is_one() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_license_is_apache_2() -> None:
    assert (ROOT / "LICENSE").read_text().lstrip().startswith("Apache License\n")
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()


def test_ci_runs_the_tests_and_the_linters_and_no_more() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert re.findall(r"^make .*", script.read_text(), re.MULTILINE) == ["make test", "make lint"]


def test_a_kind_and_a_recipe_are_spelled_in_one_place() -> None:
    """Elsewhere their constants and rows are used, so that what comes next is added in one place."""
    spelled: dict[str, set[str]] = {}
    for module in MODULES:
        name = str(module.relative_to(ROOT / "src" / "sartor"))
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                spelled.setdefault(node.value, set()).add(name)
    for kind in KINDS:
        if "-" in kind:
            assert spelled[kind] == {"resources/kind_names.py"}, kind
    for recipe in RECIPES:
        places = {name for name in spelled[recipe.name] if not name.startswith(("demo/", "recipes/"))}
        assert places == set(), recipe.name
