"""What a page is: a row of the table of pages, and what its functions take and return."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from sartor.console.pages.asking import Asks
from sartor.errors import ApiError
from sartor.wire.sign import Caller, HttpRequest

#: The navigation, in order; a section is shown once it has a page.
SECTIONS: Final = ("Home", "Data", "Jobs", "Models", "Try", "Events", "Outcomes", "Access")


@dataclass
class Visit:
    """One request for a page, as the page's functions see it.

    Attributes:
        caller: who looks.
        request: as it came.
        asks: asks the service for the caller.
        query: the parameters of the address, the last of each.
        form: the fields of the form that was sent, the last of each; empty for a page that is only looked at.
        every: all values of each field of that form, in order.
        error: why what the form asked for was refused; the page shows it beside the form.
        part: the one part of the page that is wanted, a block of its template; empty for the whole page.
    """

    caller: Caller
    request: HttpRequest
    asks: Asks
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    every: Mapping[str, list[str]] = field(default_factory=dict)
    error: ApiError | None = None
    part: str = ""

    @property
    def path(self) -> str:
        """The address without its parameters."""
        return self.request.path

    def link(self, **parameters: object) -> str:
        """Return this page's address with some parameters changed; those that are ``None`` or empty are left out."""
        return link(self.path, **{**self.query, "part": None, **parameters})

    def wanted(self, name: str) -> str:
        """Return a parameter that this page cannot do without.

        Raises:
            ApiError: ``ResourceNotFoundException``: it is not there.
        """
        found = self.query.get(name)
        if not found:
            raise ApiError("ResourceNotFoundException", f"The address of this page misses {name}=….")
        return found


def link(path: str, **parameters: object) -> str:
    """Return an address with parameters; those that are ``None`` or empty are left out."""
    given = {name: str(value) for name, value in parameters.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


@dataclass(frozen=True)
class Shown:
    """What a page shows.

    Attributes:
        template: the name of its file.
        words: what the template has names for.
        images: whether it shows images that items name, from any HTTPS address; else none but our own.
    """

    template: str
    words: Mapping[str, Any] = field(default_factory=dict)
    images: bool = False


@dataclass(frozen=True)
class Done:
    """What came of a form.

    Attributes:
        to: the address that the browser goes to; empty for what the script has sent.
        said: what is told there.
        shown: what is shown at once in its place and never again, such as a new secret; nothing keeps it.
    """

    to: str
    said: str = ""
    shown: Shown | None = None


@dataclass(frozen=True)
class Action:
    """What one form of a page does.

    Attributes:
        run: does it; an ``ApiError`` that it raises is shown on the page, which keeps what was typed.
        question: is asked first, of what cannot be taken back; ``None`` asks nothing.
    """

    run: Callable[[Visit], Done]
    question: Callable[[Visit], str] | None = None


@dataclass(frozen=True)
class Page:
    """A row of the table of pages.

    Attributes:
        path: its address, below ``/console/``.
        title: as the browser's tab and its heading say.
        section: the entry of the navigation that is marked while it is shown.
        show: returns what it shows.
        actions: what its forms do, by the value of their field ``action``.
    """

    path: str
    title: str
    section: str
    show: Callable[[Visit], Shown]
    actions: Mapping[str, Action] = field(default_factory=dict)
