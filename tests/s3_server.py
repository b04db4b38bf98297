"""A small S3 service on a thread: enough for obstore and Delta, with faults on demand."""

import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from sartor.data import s3, s3_bucket


def use_standard_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment's credentials open a server, and let what fails be tried again at once."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setattr(s3_bucket, "FIRST_WAIT_SECONDS", 0.001)
    s3.standard_credentials.cache_clear()


@dataclass
class Faults:
    """What goes wrong, by bucket or key.

    Attributes:
        refused: buckets that answer 403.
        cuts: how often the connection breaks in the middle of a key's content.
        errors: how often a key answers 500 first.
        changes: keys whose content changes after their first bytes were read.
        no_conditions: the service ignores ``If-Match`` and ``If-None-Match``, as some do.
        pauses: how many seconds pass before each quarter of a key's content but the first, in its next answer.
        no_creating: the service answers 501 to ``If-None-Match``, as others do.
    """

    refused: set[str] = field(default_factory=set)
    cuts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    changes: dict[str, bytes] = field(default_factory=dict)
    pauses: dict[str, float] = field(default_factory=dict)
    no_conditions: bool = False
    no_creating: bool = False


class S3Server:
    """An S3 service at ``url``; objects are in memory, by ``bucket/key``."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.faults = Faults()
        self.access_keys: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"s3": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "S3Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a head and its body are two writes
    s3: S3Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if not self._allowed():
            return
        if not self.key:
            self._list()
            return
        name = f"{self.bucket}/{self.key}"
        if self.s3.faults.errors[name] > 0:
            self.s3.faults.errors[name] -= 1
            self._answer(500, b"<Error><Code>InternalError</Code></Error>")
            return
        content = self.s3.objects.get(name)
        if content is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        conditions = not self.s3.faults.no_conditions
        if conditions and self.headers.get("If-Match") not in (None, etag(content)):
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return
        self._send_content(name, content)

    def _send_content(self, name: str, content: bytes) -> None:
        first, last, status = 0, len(content) - 1, 200
        wanted = self.headers.get("Range")
        if wanted:
            low, _, high = wanted.removeprefix("bytes=").partition("-")
            first, last, status = int(low), min(int(high or last), last), 206
        body = content[first : last + 1]
        headers = {"ETag": etag(content), "Last-Modified": formatdate(usegmt=True)}
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        cut = self.s3.faults.cuts[name] > 0
        if cut:
            self.s3.faults.cuts[name] -= 1
        self._head(status, len(body), headers)
        pause, quarter = self.s3.faults.pauses.pop(name, 0.0), len(body) // 4
        for start in range(0, 3 * quarter, quarter) if pause else ():
            self.wfile.write(body[start : start + quarter])
            time.sleep(pause)
        rest = body[3 * quarter :] if pause else body
        self.wfile.write(rest[: len(rest) // 2] if cut else rest)
        if name in self.s3.faults.changes:
            self.s3.objects[name] = self.s3.faults.changes.pop(name)
        if cut:
            self.close_connection = True

    def do_HEAD(self) -> None:
        if not self._allowed():
            return
        content = self.s3.objects.get(f"{self.bucket}/{self.key}")
        if content is None:
            self._head(404, 0, {})
        else:
            self._head(200, len(content), {"ETag": etag(content), "Last-Modified": formatdate(usegmt=True)})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._allowed():
            return
        name = f"{self.bucket}/{self.key}"
        with self.s3.lock:
            if "uploadId" in self.query:
                self.s3.uploads[name][int(self.query["partNumber"][0])] = body
            elif self.s3.faults.no_creating and self.headers.get("If-None-Match"):
                self._answer(501, b"<Error><Code>NotImplemented</Code></Error>")
                return
            elif (
                not self.s3.faults.no_conditions
                and self.headers.get("If-None-Match") == "*"
                and name in self.s3.objects
            ):
                self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            else:
                self.s3.objects[name] = body
        self._answer(200, b"", {"ETag": etag(body)})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._allowed():
            return
        name = f"{self.bucket}/{self.key}"
        if "uploads" in self.query:
            self.s3.uploads[name] = {}
            text = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            self._answer(200, text.encode())
        elif "uploadId" in self.query:
            parts = self.s3.uploads.pop(name)
            self.s3.objects[name] = b"".join(parts[number] for number in sorted(parts))
            found = f"<CompleteMultipartUploadResult><ETag>{escape(etag(self.s3.objects[name]))}</ETag>"
            self._answer(200, (found + "</CompleteMultipartUploadResult>").encode())
        else:  # DeleteObjects
            for piece in body.decode().split("<Key>")[1:]:
                self.s3.objects.pop(f"{self.bucket}/{unquote(piece.partition('</Key>')[0])}", None)
            self._answer(200, b"<DeleteResult><Deleted><Key>all</Key></Deleted></DeleteResult>")

    def do_DELETE(self) -> None:
        if self._allowed():
            if "uploadId" in self.query:
                self.s3.uploads.pop(self.query["uploadId"][0], None)
            else:
                self.s3.objects.pop(f"{self.bucket}/{self.key}", None)
            self._answer(204, b"")

    def _list(self) -> None:
        prefix = self.query.get("prefix", [""])[0]
        delimiter = self.query.get("delimiter", [""])[0]
        after = self.query.get("start-after", [""])[0]
        files, folders = [], set()
        for name in sorted(self.s3.objects):
            bucket, _, key = name.partition("/")
            if bucket != self.bucket or not key.startswith(prefix) or key <= after:
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                content = self.s3.objects[name]
                files.append(
                    f"<Contents><Key>{escape(key)}</Key><LastModified>{_now()}</LastModified>"
                    f"<ETag>{escape(etag(content))}</ETag><Size>{len(content)}</Size></Contents>"
                )
        inner = "".join(files) + "".join(
            f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            for folder in sorted(folders)
        )
        self._answer(
            200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>".encode()
        )

    def _allowed(self) -> bool:
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query, keep_blank_values=True)
        self.bucket, _, key = parts.path.lstrip("/").partition("/")
        self.key = unquote(key)
        self.s3.requests[self.command] += 1
        credential = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        self.s3.access_keys[credential] += 1
        if self.bucket in self.s3.faults.refused:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return False
        return True

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, len(body), headers or {})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
