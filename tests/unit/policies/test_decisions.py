"""What policies allow, case by case, after "Policy evaluation logic" and the reference of IAM policy elements."""

import json
from typing import Any

import pytest

from sartor.errors import ApiError
from sartor.policies.documents import PolicyRefused, compile_document
from sartor.policies.facts import Facts
from sartor.policies.permissions import IDENTITY, SESSION, Permissions, policies_of

ACCOUNT = "arn:aws:personalize:us-east-1:111122223333"
CAMPAIGN = f"{ACCOUNT}:campaign/shop"
CREATE, GET = "personalize:CreateCampaign", "personalize:GetRecommendations"
USER = "arn:aws:iam::111122223333:user/anna"
FACTS = Facts({"aws:username": lambda: ("anna",), "aws:securetransport": lambda: ("true",)})
A, D, U = "allowed", "denied", "unmentioned"


def said(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    """Return a statement; every action and every resource unless others are named."""
    if not {"Action", "NotAction"} & set(elements):
        elements["Action"] = "*"
    if not {"Resource", "NotResource"} & set(elements):
        elements["Resource"] = "*"
    return {"Effect": effect, **elements}


def document(*statements: dict[str, Any], version: str | None = "2012-10-17") -> str:
    return json.dumps({**({"Version": version} if version else {}), "Statement": list(statements)})


SECURE, INSECURE = ({"Bool": {"aws:SecureTransport": one}} for one in ("true", "false"))

#: statements | action | resource | verdict
CASES = [
    # nothing says anything: nothing is allowed
    ([], CREATE, CAMPAIGN, U),
    # Action: any case, * and ?, several
    ([said(Action="*")], CREATE, CAMPAIGN, A),
    ([said(Action="personalize:*")], CREATE, CAMPAIGN, A),
    ([said(Action="personalize:CreateCampaign")], CREATE, CAMPAIGN, A),
    ([said(Action="PERSONALIZE:createcampaign")], CREATE, CAMPAIGN, A),
    ([said(Action="personalize:Create*")], CREATE, CAMPAIGN, A),
    ([said(Action="personalize:create*")], CREATE, CAMPAIGN, A),
    ([said(Action="personalize:*Campaign")], CREATE, CAMPAIGN, A),
    ([said(Action="personalize:*Campaign*")], "personalize:ListCampaigns", "*", A),
    ([said(Action="personalize:Create?ampaign")], CREATE, CAMPAIGN, A),
    ([said(Action="personalize:Create?Campaign")], CREATE, CAMPAIGN, U),
    ([said(Action="personalize:CreateCamp")], CREATE, CAMPAIGN, U),
    ([said(Action="personalize:Campaign")], CREATE, CAMPAIGN, U),
    ([said(Action="s3:*")], CREATE, CAMPAIGN, U),
    ([said(Action="sts:CreateCampaign")], CREATE, CAMPAIGN, U),
    ([said(Action=["s3:*", "personalize:Get*"])], GET, CAMPAIGN, A),
    ([said(Action=["s3:*", "personalize:Get*"])], CREATE, CAMPAIGN, U),
    ([said(Action="personalize:Describe*")], "personalize:DescribeCampaign", CAMPAIGN, A),
    ([said(Action="personalize:Describe*")], "personalize:DeleteCampaign", CAMPAIGN, U),
    ([said(Action="personalize:List*")], "personalize:ListTagsForResource", CAMPAIGN, A),
    ([said(Action="personalize:Put*")], "personalize:PutEvents", f"{ACCOUNT}:event-tracker/x", A),
    ([said(Action="personalize:*")], "iam:PassRole", "arn:aws:iam::111122223333:role/x", U),
    ([said(Action="iam:PassRole")], "iam:PassRole", "arn:aws:iam::111122223333:role/x", A),
    # NotAction: everything else
    ([said(NotAction="personalize:Delete*")], CREATE, CAMPAIGN, A),
    ([said(NotAction="personalize:Delete*")], "personalize:DeleteCampaign", CAMPAIGN, U),
    ([said(NotAction="personalize:*")], CREATE, CAMPAIGN, U),
    ([said(NotAction=["s3:*", "personalize:Delete*"])], GET, CAMPAIGN, A),
    ([said(NotAction="PERSONALIZE:CREATECAMPAIGN")], CREATE, CAMPAIGN, U),
    ([said(NotAction="*")], CREATE, CAMPAIGN, U),
    # NotAction with Deny does not allow what it leaves out
    ([said("Deny", NotAction="personalize:Get*")], GET, CAMPAIGN, U),
    ([said("Deny", NotAction="personalize:Get*")], CREATE, CAMPAIGN, D),
    ([said(), said("Deny", NotAction="personalize:Get*")], GET, CAMPAIGN, A),
    ([said(), said("Deny", NotAction="personalize:Get*")], CREATE, CAMPAIGN, D),
    # Resource: with case, * and ?, several
    ([said(Resource="*")], CREATE, CAMPAIGN, A),
    ([said(Resource=CAMPAIGN)], CREATE, CAMPAIGN, A),
    ([said(Resource=CAMPAIGN)], CREATE, f"{CAMPAIGN}2", U),
    ([said(Resource=f"{CAMPAIGN}*")], CREATE, f"{CAMPAIGN}2", A),
    ([said(Resource=CAMPAIGN.upper().replace("ARN:", "arn:"))], CREATE, CAMPAIGN, U),
    ([said(Resource=f"{ACCOUNT}:campaign/*")], CREATE, CAMPAIGN, A),
    ([said(Resource=f"{ACCOUNT}:campaign/sho?")], CREATE, CAMPAIGN, A),
    ([said(Resource=f"{ACCOUNT}:campaign/?")], CREATE, CAMPAIGN, U),
    ([said(Resource=f"{ACCOUNT}:*")], CREATE, CAMPAIGN, A),
    ([said(Resource=f"{ACCOUNT}:*/shop")], CREATE, CAMPAIGN, A),
    ([said(Resource="arn:aws:personalize:*:111122223333:campaign/*")], CREATE, CAMPAIGN, A),
    ([said(Resource="arn:aws:personalize:eu-*:111122223333:campaign/*")], CREATE, CAMPAIGN, U),
    ([said(Resource="arn:aws:personalize:us-east-1:*:campaign/*")], CREATE, CAMPAIGN, A),
    ([said(Resource="arn:aws:personalize:us-east-1:444455556666:campaign/*")], CREATE, CAMPAIGN, U),
    ([said(Resource="arn:aws:s3:::*")], CREATE, CAMPAIGN, U),
    ([said(Resource="arn:*")], CREATE, CAMPAIGN, A),
    ([said(Resource=["arn:aws:s3:::*", f"{ACCOUNT}:campaign/*"])], CREATE, CAMPAIGN, A),
    (
        [said(Resource=f"{ACCOUNT}:dataset/shop/*")],
        "personalize:PutItems",
        f"{ACCOUNT}:dataset/shop/ITEMS",
        A,
    ),
    ([said(Resource=f"{ACCOUNT}:dataset/shop/*")], "personalize:PutItems", f"{ACCOUNT}:dataset/x/ITEMS", U),
    (
        [said(Resource=f"{ACCOUNT}:solution/s*")],
        "personalize:CreateSolutionVersion",
        f"{ACCOUNT}:solution/s",
        A,
    ),
    (
        [said(Resource=f"{ACCOUNT}:solution/s/*")],
        "personalize:DescribeSolutionVersion",
        f"{ACCOUNT}:solution/s/1",
        A,
    ),
    # an action on no resource is about *, which only * names
    ([said(Resource="*")], "personalize:ListCampaigns", "*", A),
    ([said(Resource=f"{ACCOUNT}:*")], "personalize:ListCampaigns", "*", U),
    # what is created with a name that nobody knows yet
    (
        [said(Resource=f"{ACCOUNT}:event-tracker/*")],
        "personalize:CreateEventTracker",
        f"{ACCOUNT}:event-tracker/*",
        A,
    ),
    (
        [said(Resource=f"{ACCOUNT}:event-tracker/1")],
        "personalize:CreateEventTracker",
        f"{ACCOUNT}:event-tracker/*",
        U,
    ),
    # NotResource: everything else
    ([said(NotResource=CAMPAIGN)], CREATE, CAMPAIGN, U),
    ([said(NotResource=CAMPAIGN)], CREATE, f"{CAMPAIGN}2", A),
    ([said(NotResource=[CAMPAIGN, f"{CAMPAIGN}2"])], CREATE, f"{CAMPAIGN}2", U),
    ([said(NotResource=f"{ACCOUNT}:campaign/*")], CREATE, CAMPAIGN, U),
    ([said("Deny", NotResource=f"{ACCOUNT}:campaign/*")], CREATE, CAMPAIGN, U),
    ([said(), said("Deny", NotResource=f"{ACCOUNT}:campaign/*")], CREATE, CAMPAIGN, A),
    (
        [said(), said("Deny", NotResource=f"{ACCOUNT}:campaign/*")],
        "personalize:PutItems",
        f"{ACCOUNT}:dataset/x/I",
        D,
    ),
    # variables in ARNs
    ([said(Resource=ACCOUNT + ":campaign/${aws:username}-*")], CREATE, f"{ACCOUNT}:campaign/anna-1", A),
    ([said(Resource=ACCOUNT + ":campaign/${aws:username}-*")], CREATE, f"{ACCOUNT}:campaign/bob-1", U),
    ([said(Resource=ACCOUNT + ":campaign/${aws:nobody}")], CREATE, CAMPAIGN, U),
    ([said(Resource=ACCOUNT + ":campaign/${aws:nobody, 'shop'}")], CREATE, CAMPAIGN, A),
    ([said(Resource=ACCOUNT + ":campaign/${*}")], CREATE, CAMPAIGN, U),
    ([said(NotResource=ACCOUNT + ":campaign/${aws:nobody}")], CREATE, CAMPAIGN, U),
    ([said(), said("Deny", NotResource=ACCOUNT + ":campaign/${aws:nobody}")], CREATE, CAMPAIGN, D),
    # conditions: all keys of all operators must hold
    ([said(Condition=SECURE)], CREATE, CAMPAIGN, A),
    ([said(Condition=INSECURE)], CREATE, CAMPAIGN, U),
    ([said(Condition={**SECURE, "StringEquals": {"aws:username": "anna"}})], CREATE, CAMPAIGN, A),
    ([said(Condition={**SECURE, "StringEquals": {"aws:username": "bob"}})], CREATE, CAMPAIGN, U),
    ([said(Condition={"StringEquals": {"aws:username": "anna", "aws:nobody": "x"}})], CREATE, CAMPAIGN, U),
    ([said(Condition={"StringEquals": {"aws:username": ["bob", "anna"]}})], CREATE, CAMPAIGN, A),
    ([said(Condition={"Bool": {"aws:SecureTransport": True}})], CREATE, CAMPAIGN, A),
    ([said(Condition={"Null": {"aws:TokenIssueTime": "true"}})], CREATE, CAMPAIGN, A),
    ([said(Condition={})], CREATE, CAMPAIGN, A),
    # an explicit deny wins, whatever the order; a deny that does not apply says nothing
    ([said(), said("Deny")], CREATE, CAMPAIGN, D),
    ([said("Deny"), said()], CREATE, CAMPAIGN, D),
    ([said("Deny")], CREATE, CAMPAIGN, D),
    ([said(), said("Deny", Action="personalize:Delete*")], CREATE, CAMPAIGN, A),
    ([said(), said("Deny", Action="personalize:Create*")], CREATE, CAMPAIGN, D),
    ([said(), said("Deny", Resource=CAMPAIGN)], CREATE, CAMPAIGN, D),
    ([said(), said("Deny", Resource=CAMPAIGN)], CREATE, f"{CAMPAIGN}2", A),
    ([said(), said("Deny", Condition=INSECURE)], CREATE, CAMPAIGN, A),
    ([said(), said("Deny", Condition=SECURE)], CREATE, CAMPAIGN, D),
    ([said(Action=GET), said(Action="personalize:Create*")], CREATE, CAMPAIGN, A),
    ([said(Action=GET), said(Resource=f"{CAMPAIGN}2")], CREATE, CAMPAIGN, U),
    ([said(Sid="One", Action=GET), said("Deny", Sid="Two", Action=CREATE)], GET, CAMPAIGN, A),
]


@pytest.mark.parametrize(("statements", "action", "resource", "verdict"), CASES)
def test_policies_say_what_iam_would(
    statements: list[dict[str, Any]], action: str, resource: str, verdict: str
) -> None:
    documents = (document(*statements),) if statements else ()
    assert policies_of(documents).verdict(action, resource, FACTS) == verdict


ALL, NONE = document(said()), document(said(Action="s3:*"))
DENY = document(said(), said("Deny", Action=CREATE))


@pytest.mark.parametrize(
    ("identity", "session", "why"),
    [
        ((ALL,), None, None),
        ((NONE, ALL), None, None),
        ((ALL,), (ALL,), None),
        (None, (ALL,), None),
        ((NONE,), None, f"because no identity-based policy allows the {CREATE} action"),
        ((), None, f"because no identity-based policy allows the {CREATE} action"),
        ((DENY,), None, "with an explicit deny in an identity-based policy"),
        ((ALL, DENY), None, "with an explicit deny in an identity-based policy"),
        ((ALL,), (NONE,), f"because no session policy allows the {CREATE} action"),
        (None, (NONE,), f"because no session policy allows the {CREATE} action"),
        ((ALL,), (DENY,), "with an explicit deny in a session policy"),
        ((NONE,), (DENY,), "with an explicit deny in a session policy"),
        ((NONE,), (ALL,), f"because no identity-based policy allows the {CREATE} action"),
        ((DENY,), (NONE,), "with an explicit deny in an identity-based policy"),
    ],
)
def test_every_sort_of_policy_must_allow_and_the_refusal_says_which_does_not(
    identity: tuple[str, ...] | None, session: tuple[str, ...] | None, why: str | None
) -> None:
    layers = {IDENTITY: identity, SESSION: session}
    permissions = Permissions(
        USER, {sort: policies_of(one) for sort, one in layers.items() if one is not None}
    )
    if why is None:
        permissions.require(CREATE, CAMPAIGN, FACTS)
        return
    with pytest.raises(ApiError) as refused:
        permissions.require(CREATE, CAMPAIGN, FACTS)
    assert refused.value.code == "AccessDeniedException"
    assert refused.value.message == (
        f"User: {USER} is not authorized to perform: {CREATE} on resource: {CAMPAIGN} {why}"
    )


def test_the_older_version_has_no_variables() -> None:
    text = document(said(Resource=ACCOUNT + ":campaign/${aws:username}"), version=None)
    assert policies_of((text,)).verdict(CREATE, f"{ACCOUNT}:campaign/anna", FACTS) == U
    assert policies_of((text,)).verdict(CREATE, ACCOUNT + ":campaign/${aws:username}", FACTS) == A


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Syntax errors in policy"),
        ("[]", "it must be a JSON object"),
        ('{"Statement": [], "Statement": []}', "Statement is there twice"),
        ("{}", "Missing required field Statement"),
        ('{"Statement": []}', "Missing required field Statement"),
        ('{"Statement": [1]}', "a statement must be a JSON object"),
        (document(said(), version="2012-10-18"), "Policy document must be version"),
        (json.dumps({"Statement": [said()], "Extra": 1}), "Unknown field Extra"),
        (document({**said(), "Principal": "*"}), "Has prohibited field Principal"),
        (document({"Action": "*", "Resource": "*"}), "Missing required field Effect"),
        (document(said("allow")), "Invalid effect: allow"),
        (document({"Effect": "Allow", "Resource": "*"}), "Policy statement must contain actions"),
        (document({"Effect": "Allow", "Action": "*"}), "Policy statement must contain resources"),
        (document(said(Action=[])), "Policy statement must contain actions"),
        (document(said(Action="*", NotAction="*")), "Action or NotAction, not both"),
        (document(said(Resource="*", NotResource="*")), "Resource or NotResource, not both"),
        (document(said(Action="CreateCampaign")), "must be prefaced by a vendor"),
        (document(said(Action="*:CreateCampaign")), "must be prefaced by a vendor"),
        (document(said(Action=1)), "Action must be a text or a list of texts"),
        (document(said(Resource="campaign/shop")), 'must be in ARN format or "\\*"'),
        (document(said(Resource=[1])), "Resource must be a text or a list of texts"),
        (document(said(Sid="a-b")), "must be alpha-numeric"),
        (document(said(Sid="a"), said(Sid="a")), "must be unique"),
        (document(said(Condition=[])), "Condition must have operators"),
        (document(said(Condition={"StringLikes": {"a": "b"}})), "Invalid Condition type : StringLikes"),
        (document(said(Condition={"StringEquals": {"a": {}}})), "a value of a must be a text"),
        (document(said(Resource=f"{CAMPAIGN}{'x' * 10_240}")), "up to 10,240 characters"),
    ],
)
def test_a_malformed_document_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(PolicyRefused, match=words):
        compile_document(text)


@pytest.mark.parametrize(
    ("principal", "words"),
    [
        ({}, "Missing required field Principal"),
        ({"Principal": "*", "NotPrincipal": "*"}, "not both"),
        ({"Principal": "anna"}, "Invalid principal in policy"),
        ({"Principal": {"Robot": "*"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "anna"}}, 'Invalid principal in policy: "AWS":"anna"'),
        ({"Principal": "*", "Resource": "*"}, "Has prohibited field Resource"),
    ],
)
def test_a_malformed_trust_policy_is_refused_in_words(principal: dict[str, Any], words: str) -> None:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **principal}
    with pytest.raises(PolicyRefused, match=words):
        compile_document(document(statement), "trust")


def test_a_decision_is_made_from_compiled_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    policies = policies_of((ALL,))
    assert policies_of((ALL,)) is policies
    policies.verdict(CREATE, CAMPAIGN, FACTS)
    monkeypatch.setattr(policies, "_statements", ())  # what is about an action is found once
    assert policies.verdict(CREATE, CAMPAIGN, FACTS) == A
