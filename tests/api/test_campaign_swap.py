"""A campaign that is updated again and again under load: no request fails, no answer is of two versions."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from api.conftest import Client
from api.schemas import schema
from sartor.demo.server import Server

INTERACTIONS = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
POPULARITY = "arn:aws:personalize:::recipe/aws-popularity-count"
ITEMS, USERS = 30, 40
UPDATES, ASKING = 10, 8


@pytest.fixture
def client(tmp_path: Any) -> Iterator[Client]:
    """Give a client of a server of one's own."""
    (tmp_path / "bucket").mkdir()
    with Server(tmp_path / "data", {"training": tmp_path / "bucket"}, ("--quotas", "off")) as server:
        yield Client(server, tmp_path / "bucket")


class Asking:
    """Asks a campaign in a thread, as fast as it answers.

    Attributes:
        answers: which version each answer was of, as its items are named; one of several versions has several letters.
        faults: what went wrong.
    """

    def __init__(self, client: Client, campaign: str) -> None:
        self.answers: list[str] = []
        self.faults: list[Exception] = []
        self._runtime: Any = client.server.client("personalize-runtime")
        self._campaign = campaign
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        try:
            while not self._end.is_set():
                answer = self._runtime.get_recommendations(campaignArn=self._campaign, numResults=ITEMS)
                names = [one["itemId"] for one in answer["itemList"]]
                assert len(names) == ITEMS
                self.answers.append("".join(sorted({name[0] for name in names})))
        except Exception as error:  # noqa: BLE001 the test shows it
            self.faults.append(error)

    def end(self) -> None:
        self._end.set()
        self._thread.join()


def trained(client: Client, dataset: str, solution: str, letter: str) -> str:
    """Replace the interactions by some with items of a letter, and return a version that is trained on them."""
    lines = ["USER_ID,ITEM_ID,TIMESTAMP"]
    lines += [
        f"u{user},{letter}{item},{1_700_000_000 + 100 * user + item}"
        for user in range(USERS)
        for item in range(ITEMS)
    ]
    key = client.write(f"{letter}.csv", "\n".join(lines) + "\n")
    assert client.imported(dataset, key)["status"] == "ACTIVE"
    personalize = client.personalize
    arn = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    found = client.until(
        lambda: personalize.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
    )
    assert found["status"] == "ACTIVE", found
    return str(arn)


def test_no_request_fails_and_no_answer_is_mixed_while_a_campaign_is_updated(client: Client) -> None:
    personalize = client.personalize
    dataset = client.dataset(INTERACTIONS, "Interactions")
    solution = personalize.create_solution(
        name="popular", datasetGroupArn=client.group_of(dataset), recipeArn=POPULARITY
    )["solutionArn"]
    versions = [trained(client, dataset, solution, letter) for letter in "ab"]
    campaign = personalize.create_campaign(name="swapped", solutionVersionArn=versions[0])["campaignArn"]
    client.until(lambda: personalize.describe_campaign(campaignArn=campaign)["campaign"])

    def described() -> dict[str, Any]:
        found: dict[str, Any] = personalize.describe_campaign(campaignArn=campaign)["campaign"]
        return found

    asking = [Asking(client, campaign) for _ in range(ASKING)]
    try:
        for update in range(1, UPDATES + 1):
            wanted = versions[update % 2]
            before = [len(one.answers) for one in asking]
            personalize.update_campaign(campaignArn=campaign, solutionVersionArn=wanted)
            client.wait(lambda: described()["solutionVersionArn"] == wanted)  # noqa: B023
            client.wait(lambda: described()["latestCampaignUpdate"]["status"] == "ACTIVE")
            client.wait(
                lambda: (
                    all(len(one.answers) > seen + 2 for one, seen in zip(asking, before, strict=True))  # noqa: B023
                    or any(one.faults for one in asking)
                )
            )
    finally:
        for one in asking:
            one.end()
    assert [one.faults for one in asking] == [[]] * ASKING
    for one in asking:
        assert set(one.answers) == {"a", "b"}
        # each update is seen once: nobody is answered by the old version after the new one
        assert sum(first != second for first, second in pairwise(one.answers)) == UPDATES
