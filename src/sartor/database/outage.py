"""What a database driver raises when nothing is wrong with the call: it is away, locked, full or damaged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from sartor.errors import Unavailable

Given = ParamSpec("Given")
Returned = TypeVar("Returned")

#: The classes of PEP 249 for it, which both drivers and SQLAlchemy have; their other errors are defects of ours.
_OUTAGES: Final = frozenset({"OperationalError", "InternalError"})
#: SQLite's for a damaged file, and PostgreSQL's for a lock that nobody gave back.
_DAMAGED: Final = "DatabaseError"
_LOCKED: Final = ("database is locked", "lock timeout", "LockNotAvailable")


def reason(error: BaseException) -> str | None:
    """Return why the database cannot be used, ``None`` if an error says something else."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if not (names & _OUTAGES or type(error).__name__ == _DAMAGED or isinstance(error, NoConnectionLeft)):
        return None
    return str(getattr(error, "orig", None) or error).partition("\n")[0]


def is_lock(text: str) -> bool:
    """Return whether a reason is that another holds the database's lock."""
    return any(words in text for words in _LOCKED)


def unavailable(text: str) -> Unavailable:
    """Return the error for a reason."""
    hint = " Another process holds its lock." if is_lock(text) else ""
    return Unavailable(f"The database cannot be used: {text}.{hint}")


@contextmanager
def as_outages() -> Iterator[None]:
    """Raise ``Unavailable`` instead of what a driver raises when the database cannot be used."""
    try:
        yield
    except Exception as error:
        _raise_outage(error)
        raise


def raises_outages(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Do as ``as_outages`` around a function that is called too often for it."""

    @wraps(function)
    def guarded(*arguments: Given.args, **named: Given.kwargs) -> Returned:
        try:
            return function(*arguments, **named)
        except Exception as error:
            _raise_outage(error)
            raise

    return guarded


def _raise_outage(error: Exception) -> None:
    text = reason(error)
    if text is not None:
        raise unavailable(text) from error
