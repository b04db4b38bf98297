"""A simulation says what policies would say, and which statements say it."""

import json

from sartor.policies.facts import NOTHING, Facts
from sartor.policies.permissions import policies_of
from sartor.policies.simulation import DECISIONS, Assumed, simulate, why

GET, DELETE = "personalize:GetRecommendations", "personalize:DeleteCampaign"
SHOP = "arn:aws:personalize:us-east-1:111122223333:campaign/shop"


def document(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=2)


READS = document(
    {"Effect": "Allow", "Action": "personalize:Get*", "Resource": SHOP},
    {
        "Effect": "Allow",
        "Action": DELETE,
        "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    },
)
DENIES = document({"Effect": "Deny", "Action": "personalize:Delete*", "Resource": "*"})


def test_the_decision_is_that_of_the_policies() -> None:
    for documents in ((), (READS,), (DENIES,), (READS, DENIES)):
        for action in (GET, DELETE):
            for resource in (SHOP, "*"):
                found = simulate(documents, action, resource, NOTHING)
                assert found.decision == DECISIONS[policies_of(documents).verdict(action, resource, NOTHING)]


def test_an_allow_names_its_statement() -> None:
    said = simulate((READS,), GET, SHOP, NOTHING)
    assert said.decision == "allowed"
    assert why(said, GET) == ["Policy 1, the statement at line 4, allows it."]


def test_a_deny_wins_and_is_named() -> None:
    inside = Assumed(NOTHING, {"aws:SourceIp": ["10.1.2.3"]})
    said = simulate((READS, DENIES), DELETE, SHOP, inside)
    assert [(one.document, one.effect, one.fit) for one in said.statements] == [
        (0, "Allow", "applies"),
        (1, "Deny", "applies"),
    ]
    assert why(said, DELETE) == ["Policy 2, the statement at line 4, denies it, and a deny wins."]


def test_what_nearly_allows_says_what_does_not_fit() -> None:
    other = simulate((READS,), GET, SHOP + "2", NOTHING)
    assert why(other, GET) == [
        "Policy 1, the statement at line 4, would allow it, but is about another resource."
    ]
    outside = simulate((READS,), DELETE, SHOP, Assumed(NOTHING, {"AWS:sourceip": ["192.0.2.1"]}))
    assert why(outside, DELETE) == [
        "Policy 1, the statement at line 9, would allow it, but its condition does not hold."
    ]
    assert why(simulate((), GET, SHOP, NOTHING), GET) == [f"No statement allows {GET}."]


def test_assumed_facts_take_the_place_of_those_of_the_request() -> None:
    known = Facts({"aws:sourceip": lambda: ("192.0.2.1",), "aws:useragent": lambda: ("boto3",)})
    assumed = Assumed(known, {"aws:SourceIp": ["10.0.0.1"], "aws:Referer": []})
    assert assumed.get("aws:sourceip") == ("10.0.0.1",)
    assert assumed.get("aws:UserAgent") == ("boto3",)
    assert assumed.get("aws:referer") is None
