"""The exceptions that carry a message to a person.

``ApiError`` ends a call, ``JobFailed`` ends a job, ``Stopped`` leaves work to others or to nobody; ``ChangedMeanwhile``
and ``TakesLong`` begin a call again; ``Unavailable`` is for a person to mend. Anything else that is raised is a defect
of ours.
"""

import asyncio
from concurrent.futures import Future
from typing import Any


class ApiError(Exception):
    """A call is refused with one of the service's own error codes.

    Args:
        code: the exception's shape name in the service model, such as ``InvalidInputException``.
        message: what is wrong, where, and what to do, in Amazon's style.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotYet(ApiError):  # noqa: N818 - it says what is the matter
    """A call needs what is being created: asked again in a moment it may be answered, else this is its answer."""


class JobFailed(Exception):  # noqa: N818 - the house's word: a job fails, it does not err
    """A job ends in its failed status with this reason; nothing that it did stays.

    Args:
        reason: the text for ``failureReason``, in Amazon's style.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Stopped(Exception):  # noqa: N818 - it is no error
    """Work must not go on: it was told to stop, or another has it or has settled it by now. Nothing of it is kept."""


class Unavailable(Exception):  # noqa: N818 - says how the service is
    """The service cannot do this now, for a reason outside of it; the message, for its log, says what to mend.

    A call that met it may be sent again: nothing of it was kept.
    """


class Damaged(Exception):  # noqa: N818 - it says what something is
    """What is stored cannot be read any more, however often it is tried.

    Args:
        reason: what is damaged and what to do, for a person.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ChangedMeanwhile(Exception):  # noqa: N818 - no error: whoever catches it asks again
    """What a call was read against has changed before it was done; handling it again reads the new state."""


class TakesLong(Exception):  # noqa: N818 - no error: whoever catches it asks again
    """What was to be answered at once takes long this time: it is to be asked in a thread, or when something is done.

    Args:
        coming: what another thread is at; ``None`` if nobody is.
    """

    def __init__(self, coming: "Future[Any] | None" = None) -> None:
        super().__init__()
        self.coming = coming


def quick_enough(takes_long: bool) -> None:
    """Refuse to hold up an event loop.

    Raises:
        TakesLong: it would, and this thread runs one.
    """
    if not takes_long:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise TakesLong


def invalid_input(message: str) -> ApiError:
    """Return the error for a request that Amazon answers with ``InvalidInputException``."""
    return ApiError("InvalidInputException", message)


def not_found(arn: str) -> ApiError:
    """Return the error for an ARN that names nothing the caller may see."""
    return ApiError("ResourceNotFoundException", f"Resource Arn {arn} does not exist.")


def already_exists(arn: str) -> ApiError:
    """Return the error for a name that is taken."""
    return ApiError("ResourceAlreadyExistsException", f"Another resource with Arn {arn} already exists.")


def in_use(message: str) -> ApiError:
    """Return the error for a resource whose state forbids the call."""
    return ApiError("ResourceInUseException", message)


def limit_exceeded(message: str) -> ApiError:
    """Return the error for a quota that the call would break."""
    return ApiError("LimitExceededException", message)
