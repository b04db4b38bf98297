"""Each process has a scratch folder of its own; those of dead processes go."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from sartor.scratch import Scratch
from sartor.settings import Settings, load

#: Makes a folder with a file, says that it is there, and waits to be killed.
HOLDS = """
import sys, time
from pathlib import Path
from sartor.scratch import Scratch
from sartor.settings import load
scratch = Scratch(load({"data": sys.argv[1]}, {}))
(scratch.folder / "large").write_text("x")
print(scratch.folder, flush=True)
time.sleep(600)
"""


def of(folder: Path) -> Settings:
    return load({"data": str(folder)}, {})


def folders(data: Path) -> set[str]:
    return {one.name for one in (data / "scratch").iterdir() if one.is_dir()}


def test_two_of_one_process_share_nothing_and_each_takes_its_own_along(tmp_path: Path) -> None:
    first, second = Scratch(of(tmp_path)), Scratch(of(tmp_path))
    (first.folder / "x").write_text("x")
    assert first.folder != second.folder
    second.close()
    assert folders(tmp_path) == {first.folder.name}
    assert (first.folder / "x").exists()
    first.close()
    assert folders(tmp_path) == set()


def test_the_folder_of_a_process_stays_as_long_as_it_lives_and_goes_after_its_death(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().decode().strip())
        mine = Scratch(of(tmp_path))
        assert (theirs / "large").exists()
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        mine.close()
        assert (theirs / "large").exists()  # nobody has looked since
        next_one = Scratch(of(tmp_path))
        assert folders(tmp_path) == {next_one.folder.name}
        next_one.close()
