"""The client of the control plane: how fast it asks, where a profile leads, and how a refusal is told."""

from pathlib import Path

import pytest

from sartor.wire import clients
from sartor.wire.call import CallError


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Botocore:
    """Botocore's client of a service that has three pages of schemas."""

    def list_schemas(self, nextToken: str = "0") -> dict[str, object]:  # noqa: N803 - Amazon's word
        page = int(nextToken)
        return {"schemas": [{"name": f"s{page}"}], **({"nextToken": str(page + 1)} if page < 2 else {})}


KEY = """
[profile old]
region = eu-west-1
services = here
aws_access_key_id = KEY
aws_secret_access_key = not told

[services here]
personalize =
  endpoint_url = http://127.0.0.1:9
"""


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile, in a shell whose environment is about another server."""
    config = tmp_path / "config"
    config.write_text(KEY, encoding="utf-8")
    for name, value in {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_ENDPOINT_URL_PERSONALIZE": "http://127.0.0.1:1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "OTHER",
        "AWS_SECRET_ACCESS_KEY": "other",
    }.items():
        monkeypatch.setenv(name, value)


def test_every_page_is_read_and_no_call_comes_sooner_than_is_polite(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(clients, "time", clock)
    client = clients.Client(clients.of_profile("old", None, None), calls_a_second=10)
    client._client = Botocore()
    assert [one["name"] for one in client.every("ListSchemas", "schemas")] == ["s0", "s1", "s2"]
    assert clock.now == pytest.approx(100.2)


def test_a_profile_leads_where_it_says_whatever_the_environment_says() -> None:
    place = clients.of_profile("old", None, None)
    assert (place.url, place.region) == ("http://127.0.0.1:9", "eu-west-1")
    client = clients.Client(place)
    assert client.url == "http://127.0.0.1:9"
    assert client._client._request_signer._credentials.access_key == "KEY"
    assert clients.of_profile("old", "http://127.0.0.1:8", "eu-west-2").url == "http://127.0.0.1:8"


def test_what_cannot_be_asked_is_told_in_words() -> None:
    with pytest.raises(CallError, match="nobody"):
        clients.of_profile("nobody", None, None)
    with pytest.raises(
        CallError, match=r"No server answers at http://127\.0\.0\.1:9\. Is `sartor serve` running"
    ):
        clients.Client(clients.of_profile("old", None, None)).call("ListSchemas")
