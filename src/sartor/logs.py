"""What a process says of itself: one line an event on stderr, for people or, as JSON, for programs."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

#: The requests of an API are told under this name, at INFO, if they are told at all; see ``wire.access_log``.
ACCESS: Final = logging.getLogger("sartor.access")
#: The attribute of a record that has what its line says by name, for JSON.
_FIELDS: Final = "fields"


class _OneLine(logging.Formatter):
    """Writes each event as one line, its traceback too: what a caller sent cannot forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n")


class _Json(logging.Formatter):
    """Writes each event as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


_FORMATS: Final[Mapping[str, logging.Formatter]] = {
    "text": _OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"),
    "json": _Json(),
}


def log_to_stderr(level: str, form: str) -> None:
    """Write our own words from a level on, and the warnings of others.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        form: ``text`` or ``json``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_FORMATS[form])
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("sartor").setLevel(level.upper())


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Return what ``extra`` of a log call takes, so that JSON has these by name."""
    return {_FIELDS: values}
