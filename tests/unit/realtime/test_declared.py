"""Answers that were declared: who gets them, and how each operation says them."""

from typing import Any

import pytest

from sartor.errors import ApiError
from sartor.realtime.declared import DeclaredAnswers
from sartor.wire.handling import Handled, Request
from sartor.wire.sign import Caller

CALLER = Caller("111122223333", "eu-west-1", "KEY")
CAMPAIGN = "arn:aws:personalize:eu-west-1:111122223333:campaign/shop"
RECOMMENDER = "arn:aws:personalize:eu-west-1:111122223333:recommender/shop"
OTHERWISE = {"itemList": [{"itemId": "of the model"}]}


class Service:
    """The three operations, before which answers are declared."""

    def __init__(self) -> None:
        self.declared = DeclaredAnswers()
        names = ("GetRecommendations", "GetPersonalizedRanking", "GetActionRecommendations")
        self.handled = self.declared.before({name: Handled(lambda _c, _r: dict(OTHERWISE)) for name in names})

    def declare(self, *items: str, **of: str) -> None:
        self.declared.declare(CALLER, {"campaignArn": CAMPAIGN, **of, "itemList": named(items)})

    def ask(self, operation: str = "GetRecommendations", caller: Caller = CALLER, **members: Any) -> Any:
        request: Request = {"campaignArn": CAMPAIGN, **members}
        return self.handled[operation].handler(caller, request)

    def items(self, **members: Any) -> list[str]:
        return [item["itemId"] for item in self.ask(**members)["itemList"]]


def named(items: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"itemId": item} for item in items]


def test_the_most_particular_declaration_answers() -> None:
    service = Service()
    assert service.items(userId="ann") == ["of the model"]
    service.declare("any")
    service.declare("ann's", userId="ann")
    service.declare("related", itemId="i1")
    service.declare("both", userId="ann", itemId="i1")
    assert service.items() == service.items(userId="bob", itemId="i2") == ["any"]
    assert service.items(userId="ann") == service.items(userId="ann", itemId="i2") == ["ann's"]
    assert service.items(userId="bob", itemId="i1") == ["related"]
    assert service.items(userId="ann", itemId="i1") == ["both"]


def test_a_declaration_is_replaced_and_taken_back() -> None:
    service = Service()
    service.declare("first")
    service.declare()
    assert service.items() == []
    assert service.declared.declare(CALLER, {"campaignArn": CAMPAIGN}) == {
        "campaignArn": CAMPAIGN,
        "declared": 0,
    }
    assert service.items() == ["of the model"]


def test_each_operation_says_it_in_its_own_words() -> None:
    service = Service()
    service.declared.declare(
        CALLER, {"campaignArn": CAMPAIGN, "itemList": [{"itemId": "b", "score": 0.7}, *named(("c", "a"))]}
    )
    assert service.ask(numResults=2)["itemList"] == [{"itemId": "b", "score": 0.7}, {"itemId": "c"}]
    ranking = service.ask("GetPersonalizedRanking", inputList=["x", "a", "b", "x"], userId="u")
    assert ranking["personalizedRanking"] == [{"itemId": "b", "score": 0.7}, {"itemId": "a"}, {"itemId": "x"}]
    actions = service.ask("GetActionRecommendations", userId="u", numResults=2)
    assert actions["actionList"] == [{"actionId": "b", "score": 0.7}, {"actionId": "c"}]
    assert all(answer["recommendationId"] for answer in (ranking, actions))


@pytest.mark.parametrize(
    ("operation", "member", "usual"),
    [("GetRecommendations", "itemList", 25), ("GetActionRecommendations", "actionList", 5)],
)
def test_who_does_not_say_how_many_gets_as_many_as_the_operation_gives(
    operation: str, member: str, usual: int
) -> None:
    service = Service()
    service.declare(*(f"i{n:02}" for n in range(30)))
    assert len(service.ask(operation, userId="u")[member]) == usual
    assert len(service.ask(operation, userId="u", numResults=30)[member]) == 30


def test_another_account_is_answered_as_ever() -> None:
    service = Service()
    service.declare("any")
    assert service.ask(caller=Caller("000000000000", "eu-west-1", "KEY")) == OTHERWISE


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"itemList": []}, "either campaignArn or recommenderArn"),
        ({"campaignArn": CAMPAIGN, "recommenderArn": RECOMMENDER}, "either campaignArn or recommenderArn"),
        ({"campaignArn": RECOMMENDER}, "campaignArn must be the ARN of a campaign"),
        ({"campaignArn": CAMPAIGN.replace("1111", "9999")}, "of account 111122223333 in eu-west-1"),
        ({"recommenderArn": "shop"}, "recommenderArn must be the ARN of a recommender"),
    ],
)
def test_what_names_nothing_of_the_callers_is_refused(declared: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError, match=words):
        DeclaredAnswers().declare(CALLER, declared)
