"""The way to the console: it is loaded when somebody looks for the first time, and it needs Jinja2."""

import json
import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sartor.access.sessions import SYSTEM_CLOCK, Sessions
from sartor.console.addresses import ENTER, ROOT
from sartor.console.v1 import Console
from sartor.errors import invalid_input
from sartor.resources.store import Store
from sartor.wire.inside import Inside
from sartor.wire.sign import Caller, HttpRequest
from sartor.wire.write import Answer

if TYPE_CHECKING:
    from sartor.console.pages.site import Site

LOG = logging.getLogger("sartor.console")

_MISSING: Final = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sartor</title>
<h1>The console needs one more package</h1>
<p>Install it where the server runs, and start the server again:</p>
<pre>pip install 'sartor[console]'</pre>
</html>
"""


@dataclass
class Entrance:
    """Answers below ``/console/``; safe to share between threads.

    Attributes:
        store: of the service.
        sessions: know who has a key.
        inside: the operations.
        own: the paths below ``/sartor/v1``.
        open_to: the account and region of everybody when nobody need sign.
        region: of whoever names none.
    """

    store: Store
    sessions: Sessions
    inside: Inside
    own: Console
    open_to: tuple[str, str] | None
    region: str
    _site: "Site | None" = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, _caller: Caller | None, request: HttpRequest) -> Answer:
        """Answer a request; without Jinja2, say what to install."""
        try:
            return self._loaded().answer(request)
        except ModuleNotFoundError as error:
            if error.name not in ("jinja2", "markupsafe"):
                raise
            LOG.warning("somebody looks at the console, which needs Jinja2: pip install 'sartor[console]'")
            policy = (b"content-security-policy", b"default-src 'none'")
            return Answer(501, [(b"content-type", b"text/html; charset=utf-8"), policy], _MISSING)

    def link(self, caller: Caller | None, _request: HttpRequest) -> tuple[int, str, bytes]:
        """Answer with the path of a link that lets whoever follows it sign in once as the caller."""
        if caller is None or self.open_to is not None:
            return 200, "application/json", json.dumps({"path": ROOT}).encode()
        try:
            sign_in = self._loaded().sign_in
        except ModuleNotFoundError as error:
            raise invalid_input(f"The console needs {error.name}: pip install 'sartor[console]'.") from error
        return (
            200,
            "application/json",
            json.dumps({"path": f"{ENTER}?code={sign_in.link_code(caller)}"}).encode(),
        )

    def _loaded(self) -> "Site":
        with self._turn:
            if self._site is None:
                from sartor.console.pages.asking import Backend
                from sartor.console.pages.sessions import SignIn
                from sartor.console.pages.site import Site

                sign_in = SignIn(self.store, self.sessions, self.open_to, self.region, SYSTEM_CLOCK)
                self._site = Site(Backend(self.inside, self.own), sign_in)
            return self._site
