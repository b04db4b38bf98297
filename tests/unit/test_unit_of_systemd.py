"""``sartor unit``: systemd itself reads it, and finds little that the service could do beyond its work."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from sartor.cli import cli

ANALYZE = shutil.which("systemd-analyze")
#: What ``systemd-analyze security`` may say, of 10.
MOST_EXPOSED = 2.5


def printed(*options: str) -> str:
    done = CliRunner().invoke(cli, ["unit", *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def values(text: str, name: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{name}=")]


@pytest.mark.skipif(ANALYZE is None, reason="no systemd is installed")
@pytest.mark.parametrize(
    "options", [(), ("--port", "443"), ("--data", "/srv/shop", "--bucket", "b=/srv/a b")]
)
def test_systemd_understands_the_unit_and_finds_it_hardened(options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "sartor.service").write_text(printed(*options))
    assert ANALYZE is not None
    verified = subprocess.run(
        [ANALYZE, "verify", "./sartor.service"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    limit = f"--threshold={int(10 * MOST_EXPOSED)}"
    judged = subprocess.run(
        [ANALYZE, "security", "--offline=true", "--no-pager", limit, "./sartor.service"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_unit_serves_with_the_options_that_it_was_given_at_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = printed(
        *(
            "--data",
            "kept",
            "--bucket",
            "training=my files",
            "--database",
            "sqlite:///x/s.db",
            "--access-log",
        ),
        *("--storage", "s3://models/100%", "--user", "shop"),
    )
    assert values(text, "User") == ["shop"]
    (command,) = values(text, "ExecStart")
    _, *words = shlex.split(command)
    assert words[:3] == ["-m", "sartor", "serve"]
    given = dict(zip(words[3::2], words[4::2], strict=False))
    assert given["--data"] == str(tmp_path / "kept")
    assert given["--bucket"] == f"training={tmp_path / 'my files'}"
    assert given["--database"] == f"sqlite:///{tmp_path / 'x' / 's.db'}"
    assert given["--storage"] == "s3://models/100%%"  # % is systemd's own
    assert words[-1] == "--access-log"
    written = [one.strip('"') for one in values(text, "ReadWritePaths")]
    assert written == sorted(str(tmp_path / name) for name in ("kept", "my files", "x"))


def test_only_a_low_port_is_given_a_capability() -> None:
    assert values(printed(), "AmbientCapabilities") == [""]
    assert values(printed("--port", "443"), "AmbientCapabilities") == ["CAP_NET_BIND_SERVICE"]


def test_a_wrong_option_is_refused_as_serve_refuses_it() -> None:
    done = CliRunner().invoke(cli, ["unit", "--port", "many"])
    assert done.exit_code == 2
    assert "--port" in done.output
