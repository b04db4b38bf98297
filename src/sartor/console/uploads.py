"""``/sartor/v1/uploads``: a file comes in slices, each within the largest body, and becomes a file of a bucket.

Slices lie in storage, which all processes of a service share, so they may come to any of them. The bucket is the
account's ``sartor-uploads``: a folder of the server's unless ``--bucket`` or an S3 service says where else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sartor import clock
from sartor.console import asked
from sartor.data.input_files import Room
from sartor.data.sources import Sources
from sartor.errors import JobFailed, invalid_input
from sartor.resources.records import Means
from sartor.wire.sign import Caller, HttpRequest

#: The bucket of each account that takes what is uploaded.
BUCKET: Final = "sartor-uploads"
#: What is not finished by then is forgotten by the next upload, in seconds.
_FORGOTTEN_SECONDS: Final = 86_400
_UPLOAD: Final = re.compile(r"[0-9a-f]{16,64}")
_NO_NAME: Final = re.compile(r"[^\w.\- ]")
_NAME_CHARACTERS: Final = 200


@dataclass(frozen=True)
class UploadPages:
    """Answers for one service.

    Attributes:
        means: to work with.
        sources: the buckets.
    """

    means: Means
    sources: Sources

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: it has a fault, or what came cannot be kept.
        """
        if request.method != "POST":
            return None
        try:
            if path == "/sartor/v1/uploads/slice":
                return self._slice(caller, request.parameters, request.body)
            if path == "/sartor/v1/uploads/finish":
                return self._finish(caller, asked.body(request, "UploadFinish"))
        except JobFailed as failure:
            raise invalid_input(failure.reason) from failure
        return None

    def _slice(self, caller: Caller, query: Mapping[str, str], content: bytes) -> dict[str, Any]:
        """Keep a slice, by the number of its first byte; the first forgets what an earlier try has left."""
        folder = _folder(caller, query.get("upload", ""))
        at = asked.number(query, "at", 0, 2**50)
        if not content:
            raise invalid_input("A slice has bytes: send them as the body.")
        Room(self.means.scratch, None).write(len(content), "What is uploaded")
        storage = self.means.storage
        if at == 0:
            storage.delete_folder(folder)
            for path, changed_at in list(storage.list(_of_account(caller))):
                if changed_at < clock.now() - _FORGOTTEN_SECONDS:
                    storage.delete(path)
        storage.put(f"{folder}/{at:016d}", content)
        return {"upload": query["upload"], "at": at, "bytes": len(content)}

    def _finish(self, caller: Caller, members: Mapping[str, Any]) -> dict[str, Any]:
        """Make the slices a file of the bucket, under a key that nothing had before."""
        upload, wanted = members["upload"], members["bytes"]
        folder, storage = _folder(caller, upload), self.means.storage
        found = sorted((one.path, one.size_bytes) for one in storage.stored(folder))
        end = 0
        for path, size_bytes in found:
            if int(path.rpartition("/")[2]) != end:
                break
            end += size_bytes
        if end != wanted or not found:
            raise invalid_input(f"Of {wanted:,} bytes {end:,} came without a gap: send the file again.")
        day = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y-%m-%dT%H-%M-%S")
        uri = f"s3://{BUCKET}/{day}-{upload[:8]}/{_named(members['name'])}"
        self.sources.of(caller.account).replace(uri, (storage.local(path) for path, _ in found), upload[:8])
        storage.delete_folder(folder)
        return {"uri": uri, "bytes": end}


def _of_account(caller: Caller) -> str:
    return f"uploads/{caller.account}"


def _folder(caller: Caller, upload: str) -> str:
    """Return where the slices of an upload lie.

    Raises:
        ApiError: ``InvalidInputException``: its name is none.
    """
    if not _UPLOAD.fullmatch(upload):
        raise invalid_input("upload must be 16 to 64 digits and letters a to f, which you choose.")
    return f"{_of_account(caller)}/{upload}"


def _named(name: str) -> str:
    """Return a name that every bucket takes and an import reads: none that begins with a dot or an underscore."""
    return (
        _NO_NAME.sub("-", name.replace("\\", "/").rpartition("/")[2])[-_NAME_CHARACTERS:].lstrip("._ ")
        or "file.csv"
    )
