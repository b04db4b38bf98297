"""What goes from one process to another: messages, and exceptions that stay what they are."""

import pickle
import traceback
from typing import Any


def packed(message: Any) -> bytes:
    """Return a message as bytes."""
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def unpacked(content: bytes) -> Any:
    """Return the message that bytes are; only what processes of this service sent is read."""
    return pickle.loads(content)


def packed_error(error: Exception) -> bytes:
    """Return an exception as bytes, with where it was raised as a note; of one that cannot be packed, its words."""
    where = "".join(traceback.format_exception(error))
    try:
        content = packed((type(error), error.args, {**vars(error), "__notes__": [where]}))
        unpacked_error(content)
    except Exception:  # noqa: BLE001 - whatever keeps it from being packed
        words = f"{type(error).__name__}: {error}"
        return packed((RuntimeError, (words,), {"__notes__": [where]}))
    return content


def unpacked_error(content: bytes) -> Exception:
    """Return the exception that bytes are. Its constructor is not called: it may want other arguments than it keeps."""
    kind, arguments, values = unpacked(content)
    error: Exception = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(values)
    return error
