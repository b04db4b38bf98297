"""What a process says of itself is one line an event, and a line of a request has what its SDK shows."""

import json
import logging
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from sartor.logs import _FORMATS, fields
from sartor.wire.access_log import AccessLog
from wire.asgi import App

KEY = "AKIAABCDEFGHIJKLMNOP"
SIGNED = {
    "authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/personalize/aws4_request, x"
}


def record(text: str, *words: object, **more: object) -> logging.LogRecord:
    found = logging.LogRecord("sartor.x", logging.INFO, "x.py", 1, text, words, None)
    vars(found).update(more)
    return found


def test_an_event_is_one_line_whatever_is_in_it() -> None:
    said = record("broke: %s", "a\nb\r\nc")
    assert _FORMATS["text"].format(said).endswith("INFO sartor.x broke: a\\nb\\r\\nc")
    told = _FORMATS["json"].format(record("broke: %s", "a\nb", **fields(arn="x", seconds=1.5)))
    assert "\n" not in told
    found = json.loads(told)
    assert (found["level"], found["logger"], found["message"]) == ("INFO", "sartor.x", "broke: a\nb")
    assert (found["arn"], found["seconds"]) == ("x", 1.5)
    assert found["time"].endswith("Z")


def test_json_has_the_traceback_in_a_member() -> None:
    try:
        raise ValueError("deep")
    except ValueError as error:
        said = record("it broke", exc_info=(ValueError, error, error.__traceback__))
    found = json.loads(_FORMATS["json"].format(said))
    assert "ValueError: deep" in found["exception"]


def lines_of(app: App) -> list[str]:
    """Return the access lines that wait, as they are written."""
    (log,) = (one for one in app.exchange._background if isinstance(one, AccessLog))
    log._stream = StringIO()
    log.write()
    return log._stream.getvalue().splitlines()


@pytest.fixture
def at_info() -> Iterator[None]:
    """The level of a server's log."""
    logger = logging.getLogger("sartor")
    before = logger.level
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(before)


@pytest.mark.parametrize("form", ["text", "json"])
def test_each_request_is_told_with_its_id_if_that_is_wanted(tmp_path: Path, at_info: None, form: str) -> None:
    app = App(tmp_path, access_log="on", log_format=form)
    calls = [
        (app.call("ListSchemas", {}), "ListSchemas"),
        (app.ask("GET", "/health/live?secret=1", headers=SIGNED), "GET /health/live"),
        (app.ask("GET", "/no%0Awhere", headers=SIGNED), "GET /no\nwhere"),
    ]
    lines = lines_of(app)
    app.close()
    assert len(lines) == len(calls)
    for line, (answer, what), key in zip(lines, calls, ("-", KEY, KEY), strict=True):
        request_id = answer.headers["x-amzn-requestid"]
        assert "secret" not in line
        if form == "text":
            shown = re.escape(what.replace("\n", "\\n"))
            words = rf"INFO sartor.access {shown} {answer.status} [\d.]+ ms - {key} {request_id}"
            assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}} {words}", line), line
            continue
        told = json.loads(line)
        assert (told["operation"], told["status"], told["accessKeyId"]) == (what, answer.status, key)
        assert (told["requestId"], told["level"], told["logger"]) == (request_id, "INFO", "sartor.access")
        assert told["milliseconds"] >= 0


def test_an_access_line_is_a_line_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sartor.wire.access_log.time.time", lambda: 1_700_000_000.25)
    words = "PutEvents 200 1.5 ms 10.0.0.9 - an-id"
    said = logging.LogRecord("sartor.access", logging.INFO, "x.py", 1, words, (), None)
    said.created, said.msecs = 1_700_000_000.25, 250
    for form in ("text", "json"):
        log = AccessLog(form, StringIO())
        log.start()
        log.tell({"headers": [], "client": ("10.0.0.9", 1)}, "PutEvents", 200, 0.0015, "an-id")
        log.stop()
        assert isinstance(log._stream, StringIO)
        line, expected = log._stream.getvalue().rstrip("\n"), _FORMATS[form].format(said)
        assert (
            line == expected if form == "text" else json.loads(line).items() >= json.loads(expected).items()
        )


def test_no_request_is_told_otherwise(tmp_path: Path, at_info: None) -> None:
    for quiet in ({}, {"access_log": "on"}):
        if quiet:
            logging.getLogger("sartor").setLevel(logging.WARNING)
        app = App(tmp_path, **quiet)
        app.call("ListSchemas", {})
        assert not any(isinstance(one, AccessLog) for one in app.exchange._background)
        app.close()
