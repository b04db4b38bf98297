"""The files that pages load: our own, compressed once, and kept by browsers until their content changes."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from sartor.wire.write import Answer, Header

_FOLDER: Final = Path(__file__).parent / "static"
#: Where they are.
ROOT: Final = "/console/static/"
_TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_YEAR: Final = b"public, max-age=31536000, immutable"


@dataclass(frozen=True)
class File:
    """A file, as it is and compressed."""

    content_type: bytes
    body: bytes
    compressed: bytes
    stamp: str


@cache
def files() -> dict[str, File]:
    """Return every file by its name."""
    found = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            stamp = hashlib.sha256(body).hexdigest()[:12]
            found[path.name] = File(_TYPES[path.suffix], body, gzip.compress(body, 9, mtime=0), stamp)
    return found


def address(name: str) -> str:
    """Return a file's address, which is another one once its content is.

    Raises:
        KeyError: there is no such file.
    """
    return f"{ROOT}{name}?v={files()[name].stamp}"


def answer(name: str, takes_gzip: bool) -> Answer | None:
    """Return a file as an answer; ``None`` if there is none of this name."""
    file = files().get(name)
    if file is None:
        return None
    headers: list[Header] = [
        (b"content-type", file.content_type),
        (b"cache-control", _YEAR),
        (b"vary", b"accept-encoding"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    ]
    if takes_gzip:
        return Answer(200, [*headers, (b"content-encoding", b"gzip")], file.compressed)
    return Answer(200, headers, file.body)
