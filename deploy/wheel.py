"""Build the wheel so that whoever builds a commit gets the same bytes.

``python deploy/wheel.py [FOLDER]`` takes what git knows, with one set of rights, and dates it by the commit. The folder
is ``dist`` if none is named.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Of a folder and of a file, whatever the umask was.
FOLDER_MODE, FILE_MODE = 0o755, 0o644


def build(target: Path, *options: str) -> Path:
    """Build the wheel into a folder and return it.

    Args:
        target: the folder.
        options: further ones of ``pip wheel``.
    """
    with tempfile.TemporaryDirectory(prefix="sartor-wheel-") as folder:
        source, built = Path(folder, "source"), Path(folder, "built")
        for name in _git("ls-files", "-z").split("\0"):
            if name and (ROOT / name).is_file():
                place = source / name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, place)
        for place in (source, *source.rglob("*")):
            place.chmod(FOLDER_MODE if place.is_dir() else FILE_MODE)
        os.umask(0o777 - FOLDER_MODE)
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *options, "-w", built, source],
            env={**os.environ, "SOURCE_DATE_EPOCH": _git("log", "-1", "--format=%ct").strip()},
            check=True,
        )
        (wheel,) = built.glob("*.whl")
        target.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(wheel, target))


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
