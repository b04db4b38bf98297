"""What a user relates to comes before what he does not, for every personal recipe, through boto3."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from api.conftest import Client
from api.schemas import schema
from sartor.demo.server import Server
from unit.models import planted

GENRES = ("comedy", "drama", "horror")
INTERACTIONS = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
BEGAN = 1_700_000_000
RECOMMENDING = (
    "aws-user-personalization-v2",
    "aws-user-personalization",
    "aws-hrnn",
    "aws-hrnn-metadata",
    "aws-hrnn-coldstart",
)
RANKING = ("aws-personalized-ranking-v2", "aws-personalized-ranking")


def name_of(item: int) -> str:
    return f"{GENRES[item // planted.EACH]}-{item % planted.EACH:02d}"


class Fans:
    """A dataset group of fans, and a campaign of each recipe that is asked for."""

    def __init__(self, client: Client) -> None:
        self.client, self.personalize = client, client.personalize
        self.runtime: Any = client.server.client("personalize-runtime")
        self.group = client.group()
        self.interactions = client.dataset(INTERACTIONS, "Interactions", group=self.group)
        histories = planted.fans().histories
        lines = ["USER_ID,ITEM_ID,TIMESTAMP"]
        for user in range(planted.FANS):
            walk = histories.of(user).tolist()
            lines += [f"fan-{user},{name_of(item)},{BEGAN + 60 * step}" for step, item in enumerate(walk)]
        client.brought(self.interactions, "fans", lines)
        self.tracking_id = client.tracker(self.interactions)
        self._campaigns: dict[str, str] = {}

    def campaign(self, recipe: str) -> str:
        """Return a campaign of a recipe as it is by default."""
        if recipe not in self._campaigns:
            api, client = self.personalize, self.client
            solution = api.create_solution(
                name=client.name("solution"),
                datasetGroupArn=self.group,
                recipeArn=f"arn:aws:personalize:::recipe/{recipe}",
            )["solutionArn"]
            version = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
            client.until(lambda: api.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
            arn = api.create_campaign(name=client.name("campaign"), solutionVersionArn=version)["campaignArn"]
            client.until(lambda: api.describe_campaign(campaignArn=arn)["campaign"])
            self._campaigns[recipe] = str(arn)
        return self._campaigns[recipe]

    def recommended(self, recipe: str, user: str) -> list[str]:
        """Return the first items of a user, as many as a genre has."""
        found = self.runtime.get_recommendations(
            campaignArn=self.campaign(recipe), userId=user, numResults=planted.EACH
        )
        return [one["itemId"] for one in found["itemList"]]

    def ranked(self, recipe: str, user: str) -> list[str]:
        """Return all items, ranked for a user."""
        names = [name_of(item) for item in range(planted.ITEMS)]
        found = self.runtime.get_personalized_ranking(
            campaignArn=self.campaign(recipe), userId=user, inputList=names[::-1]
        )
        return [one["itemId"] for one in found["personalizedRanking"]]

    def put(self, user: str, items: Sequence[int]) -> None:
        """Put an event of a user with each of some items."""
        now = int(time.time()) - 100
        self.client.events.put_events(
            trackingId=self.tracking_id,
            userId=user,
            sessionId=user,
            eventList=[
                {"eventType": "view", "itemId": name_of(item), "sentAt": now + at}
                for at, item in enumerate(items)
            ],
        )


def share(items: Sequence[str], genre: str) -> float:
    """Return the share of a genre's items among as many as a genre has."""
    return sum(one.startswith(genre) for one in items[: planted.EACH]) / planted.EACH


@pytest.fixture(scope="module")
def fans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fans]:
    folder = tmp_path_factory.mktemp("fans")
    (folder / "bucket").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_SEQUENCE_MODELS", "off")
        with Server(folder / "data", {"training": folder / "bucket"}, ("--quotas", "off")) as server:
            yield Fans(Client(server, folder / "bucket"))


@pytest.mark.parametrize("recipe", [*RECOMMENDING, *RANKING])
def test_a_fan_sees_his_genre_before_all_others(fans: Fans, recipe: str) -> None:
    ask = fans.ranked if recipe in RANKING else fans.recommended
    for user in range(0, planted.FANS, 7):
        genre = GENRES[user % planted.GENRES]
        assert share(ask(recipe, f"fan-{user}"), genre) >= 0.95


@pytest.mark.parametrize("recipe", ["aws-user-personalization-v2", "aws-personalized-ranking"])
def test_so_does_a_stranger_after_five_events(fans: Fans, recipe: str) -> None:
    ask = fans.ranked if recipe in RANKING else fans.recommended
    for at, genre in enumerate(GENRES):
        user = f"stranger-{genre}-{recipe}"
        fans.put(user, range(at * planted.EACH + 4, at * planted.EACH + 9))
        assert share(ask(recipe, user), genre) >= 0.95
