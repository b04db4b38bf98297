"""A Dockerfile's steps without an engine: the files that its image would have, in a folder of this machine.

The folders that the steps make (``MADE``) lie below a root of their own; everything else of the base image is this
machine's. A stage is built where the last one was, which moves aside, so what is copied from it finds itself.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: The folders at the root of the image that the steps make or write to.
MADE = ("opt", "source", "data", "tmp")
_OF_MADE = re.compile(rf"(?<![\w.}}])/({'|'.join(MADE)})(?![\w-])")


@dataclass
class Image:
    """What the steps made.

    Attributes:
        root: the folder that has its files.
        python: what the base image calls ``python``.
        variables: of its environment.
        settings: the last instruction of each other kind, such as ``USER``.
    """

    root: Path
    python: Path
    variables: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def command(self, *kinds: str) -> list[str]:
        """Return the words of these instructions, which are JSON lists, as they run here."""
        return [
            self.here(word)
            for kind in kinds
            for word in json.loads(self.settings[kind].partition("CMD ")[2] or self.settings[kind])
        ]

    def here(self, text: str) -> str:
        """Return a text with the paths of the image as those of this machine."""
        return _OF_MADE.sub(lambda found: f"{self.root}/{found[1]}", text)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of its processes: its own variables, and nothing of this process's but the base."""
        own = {name: self.here(value) for name, value in self.variables.items()}
        return {"PATH": os.environ["PATH"], "TMPDIR": str(self.root / "tmp"), **own, **more}


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yield each instruction with its arguments; comments are left out, continued lines are one."""
    lines = (
        line
        for line in dockerfile.read_text().splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    )
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        kind, _, rest = line.partition(" ")
        yield kind, rest.strip()


def build(dockerfile: Path, folder: Path, python: Path, outside: Mapping[str, str]) -> Image:
    """Take the steps, and return the image of the last stage.

    Args:
        dockerfile: in the folder that is its context.
        folder: gets the files.
        python: what the base image calls ``python``.
        outside: the environment of ``RUN``, for what reaches package registries.
    """
    image, stages = Image(folder / "root", python), dict[str, Path]()
    workdir, stage = image.root, ""
    for kind, rest in instructions(dockerfile):
        words = shlex.split(image.here(rest)) if kind in ("COPY", "ENV", "WORKDIR") else []
        if kind == "FROM":
            if image.root.exists():
                stages[stage] = image.root.rename(folder / f"stage {stage}")
            stage = rest.partition(" AS ")[2]
            image, workdir = Image(folder / "root", python), folder / "root"
            for name in MADE:
                (image.root / name).mkdir(parents=True)
        elif kind == "ARG":
            name, _, value = rest.partition("=")
            image.variables[name] = value
        elif kind == "ENV":
            for name, _, value in (word.partition("=") for word in shlex.split(rest)):
                image.variables[name] = value.replace("$PATH", os.environ["PATH"])
        elif kind == "WORKDIR":
            workdir = Path(words[0])
        elif kind == "COPY" and words[0].startswith("--from="):
            moved = stages[words[0].removeprefix("--from=")] / Path(words[1]).relative_to(image.root)
            shutil.copytree(moved, words[2], symlinks=True, dirs_exist_ok=True)
        elif kind == "COPY":
            _copy_context(dockerfile.parent, Path(words[1]))
        elif kind == "RUN":
            _run(image, rest, workdir, outside)
        else:
            image.settings[kind] = rest
    return image


def _copy_context(context: Path, target: Path) -> None:
    """Copy what git knows of the context and ``.dockerignore`` lets through: names at its top, after a ``!``."""
    lines = (context / ".dockerignore").read_text().splitlines()
    let = {line.removeprefix("!") for line in lines if line.startswith("!")}
    listed = subprocess.run(["git", "ls-files"], cwd=context, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if name.partition("/")[0] in let and (context / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(context / name, target / name)


def _run(image: Image, command: str, workdir: Path, outside: Mapping[str, str]) -> None:
    """Run a step: ``python`` is the base image's, and pip is this process's, which the base image has too."""
    shims = image.root.parent / "shims"
    shims.mkdir(exist_ok=True)
    shim = shims / "python"
    shim.write_text(
        f'#!/bin/sh\nif [ "$2" = pip ]; then exec {sys.executable} "$@"; fi\nexec {image.python} "$@"\n'
    )
    shim.chmod(0o755)
    environment = {**outside, **image.environment(), "PATH": f"{shims}:{os.environ['PATH']}"}
    environment = {name: value for name, value in environment.items() if value}
    subprocess.run(["sh", "-ec", image.here(command)], cwd=workdir, env=environment, check=True)
