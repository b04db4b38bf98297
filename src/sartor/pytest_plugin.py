"""The fixture ``sartor_server``: for tests of programs that use Amazon Personalize. pytest finds it by itself.

What it needs is imported when a test asks for it: to have it installed costs other tests nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sartor.demo.server import Server

_ROOT = "/sartor/v1/for-tests"


@dataclass(frozen=True)
class SartorServer:
    """A ``sartor serve --for-tests`` that runs as long as the tests do.

    Attributes:
        server: its process.
        buckets: the folder whose folders are the buckets: ``s3://B/k`` is the file ``buckets / "B" / "k"``.
    """

    server: "Server"
    buckets: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.server.url

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables with which any AWS SDK or CLI talks to it."""
        return self.server.environment

    @property
    def client_kwargs(self) -> dict[str, str]:
        """What ``boto3.client("personalize", **client_kwargs)`` needs; the same for its three services."""
        from sartor.demo.server import client_arguments

        return client_arguments(self.url, self.environment)

    def client(self, service: str = "personalize") -> Any:
        """Return boto3's client of a service."""
        return self.server.client(service)

    def answer(
        self,
        arn: str,
        items: Sequence[str | Mapping[str, Any]],
        user_id: str | None = None,
        item_id: str | None = None,
    ) -> None:
        """Let a campaign or recommender, which need not exist, answer with these items from now on.

        Args:
            arn: of the campaign or recommender.
            items: ids, best first, or items as GetRecommendations has them: ``{"itemId": …, "score": …}``.
            user_id: only if this user is asked for.
            item_id: only if this item is asked for.

        Raises:
            CallError: the server refuses it.
        """
        listed = [
            {"itemId": item, "score": round(1.0 / place, 7)} if isinstance(item, str) else item
            for place, item in enumerate(items, start=1)
        ]
        self._declare(arn, user_id, item_id, itemList=listed)

    def forget(self, arn: str, user_id: str | None = None, item_id: str | None = None) -> None:
        """Take back what ``answer`` declared for exactly that.

        Raises:
            CallError: the server refuses it.
        """
        self._declare(arn, user_id, item_id)

    def move_clock(self, *, days: float = 0.0, hours: float = 0.0, seconds: float = 0.0) -> float:
        """Set the server's clock ahead, and return how far it is ahead of the machine's now, in seconds.

        Raises:
            CallError: it would go back, or ten years ahead.
        """
        moved = {"seconds": 86_400.0 * days + 3_600.0 * hours + seconds}
        ahead: float = self.server.post(f"{_ROOT}/clock", moved)["aheadSeconds"]
        return ahead

    def _declare(self, arn: str, user_id: str | None, item_id: str | None, **more: Any) -> None:
        member = "recommenderArn" if ":recommender/" in arn else "campaignArn"
        named = {"userId": user_id, "itemId": item_id}
        given = {name: value for name, value in named.items() if value is not None}
        self.server.post(f"{_ROOT}/answers", {member: arn, **given, **more})


@pytest.fixture(scope="session")
def sartor_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SartorServer]:
    """A server for tests, compatible with Amazon Personalize, one for the whole run."""
    from sartor.demo.server import Server

    data = tmp_path_factory.mktemp("sartor")
    with Server(data, {}, ("--for-tests",)) as server:
        yield SartorServer(server, data / "buckets")
