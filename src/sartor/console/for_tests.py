"""``/sartor/v1/for-tests``: what a test tells a server that runs for it. Without ``--for-tests`` nothing is here."""

from dataclasses import dataclass
from typing import Any

from sartor import clock
from sartor.console import asked
from sartor.errors import invalid_input
from sartor.realtime.declared import DeclaredAnswers
from sartor.wire.sign import Caller, HttpRequest


@dataclass(frozen=True)
class PagesForTests:
    """Answers for one service.

    Attributes:
        answers: what is declared.
    """

    answers: DeclaredAnswers

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: it has a fault.
        """
        if request.method != "POST":
            return None
        if path == "/sartor/v1/for-tests/answers":
            return self.answers.declare(caller, asked.body(request, "DeclaredAnswer"))
        if path == "/sartor/v1/for-tests/clock":
            try:
                ahead = clock.move(asked.body(request, "ClockMove")["seconds"])
            except ValueError as error:
                raise invalid_input(f"seconds: {error}.") from error
            return {"aheadSeconds": ahead, "now": round(clock.now(), 3)}
        return None
