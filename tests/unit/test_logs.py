"""What a process says of itself is one line an event, and a line of a request has what its SDK shows."""

import json
import logging
from pathlib import Path

import pytest

from sartor.logs import _FORMATS, fields
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


def test_each_request_is_told_with_its_id_if_that_is_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sartor.access")
    app = App(tmp_path, access_log="on")
    calls = [
        (app.call("ListSchemas", {}), "ListSchemas"),
        (app.ask("GET", "/health/live?secret=1", headers=SIGNED), "GET /health/live"),
        (app.ask("GET", "/no%0Awhere", headers=SIGNED), "GET /no\nwhere"),
    ]
    app.close()
    assert len(caplog.records) == len(calls)
    for said, (answer, what) in zip(caplog.records, calls, strict=True):
        told = vars(said)["fields"]
        assert (told["operation"], told["status"]) == (what, answer.status)
        assert told["requestId"] == answer.headers["x-amzn-requestid"]
        assert told["milliseconds"] >= 0
        assert "secret" not in said.getMessage()
    assert [vars(said)["fields"]["accessKeyId"] for said in caplog.records] == ["-", KEY, KEY]


def test_no_request_is_told_otherwise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sartor.access")
    app = App(tmp_path)
    app.call("ListSchemas", {})
    app.close()
    assert not caplog.records
