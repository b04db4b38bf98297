"""Temporary credentials: whoever shares the secret opens them, until their time, their key or their role ends."""

import base64
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sartor.access.sessions import Grant, Issued, Sessions
from sartor.access.trust import federated, trust_of, user
from sartor.errors import ApiError
from sartor.keys import STALE_SECONDS, AccessKey, KeyFile, new_role
from sartor.policies.facts import NOTHING, Facts

ACCOUNT, SECRET, NOW = "111122223333", b"s" * 32, 1000.0
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/reader"
ALL = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
MINE = AccessKey("AKIAMINE", "my-own-secret", ACCOUNT)


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    found = KeyFile(tmp_path / "keys.json")
    found.take(MINE)
    found.add_role(new_role(ROLE, ALL, (ALL,), 3600))
    return found


def issued(keys: KeyFile, role_arn: str = "", **more: object) -> Issued:
    """Return credentials that live for 900 s, of the key or of a role."""
    sessions = Sessions(SECRET, keys)
    role = keys.role(role_arn)
    grant = Grant(
        *(ACCOUNT, MINE.access_key_id, sessions.mark(MINE), role_arn, role.role_id if role else ""),
        *("anna" if role else "", NOW, NOW + 900),
    )
    return sessions.issue(replace(grant, **more))  # type: ignore[arg-type]


def code(keys: KeyFile, one: Issued, now: float = NOW, secret: bytes = SECRET) -> str:
    """Return how credentials are refused."""
    with pytest.raises(ApiError) as refused:
        Sessions(secret, keys).signer(one.access_key_id, one.session_token, now)
    return refused.value.code


def test_a_server_that_shares_the_secret_opens_what_another_made(keys: KeyFile) -> None:
    one = issued(keys)
    signer = Sessions(SECRET, keys).signer(one.access_key_id, one.session_token, NOW)
    assert signer is not None
    assert (signer.account, signer.secret_access_key) == (ACCOUNT, one.secret_access_key)
    assert signer.principal.arn == f"arn:aws:iam::{ACCOUNT}:user/AKIAMINE"
    assert signer.principal.permissions is None
    assert (one.access_key_id[:4], len(one.access_key_id), len(one.secret_access_key)) == ("ASIA", 20, 40)


def test_a_roles_session_is_called_as_amazon_calls_it_and_may_what_the_role_may(keys: KeyFile) -> None:
    one = issued(keys, ROLE, tags={"team": "shop"})
    signer = Sessions(SECRET, keys).signer(one.access_key_id, one.session_token, NOW)
    assert signer is not None
    who, role = signer.principal, keys.role(ROLE)
    assert role is not None
    assert who.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/anna"
    assert who.user_id == f"{role.role_id}:anna"
    assert who.permissions is not None
    who.permissions.require("personalize:ListSchemas", "*", NOTHING)
    assert who.facts["aws:principalarn"] == ROLE
    assert who.facts["aws:tokenissuetime"] == "1970-01-01T00:16:40Z"
    assert "aws:username" not in who.facts
    assert who.tags == {"team": "shop"}


def test_a_role_without_a_policy_may_nothing_from_then_on(keys: KeyFile) -> None:
    sessions, one = Sessions(SECRET, keys), issued(keys, ROLE)
    assert keys.set_policies(ROLE, ())
    signer = sessions.signer(one.access_key_id, one.session_token, NOW)
    assert signer is not None
    assert signer.principal.permissions is not None
    with pytest.raises(ApiError, match="no identity-based policy allows"):
        signer.principal.permissions.require("personalize:ListSchemas", "*", NOTHING)


def test_a_token_ends_with_its_time(keys: KeyFile) -> None:
    one = issued(keys)
    assert Sessions(SECRET, keys).signer(one.access_key_id, one.session_token, NOW + 899.9) is not None
    assert code(keys, one, NOW + 900) == "ExpiredTokenException"


def test_a_token_that_is_not_this_services_or_was_changed_is_invalid(keys: KeyFile) -> None:
    one = issued(keys)
    raw = bytearray(base64.b64decode(one.session_token))
    for at in (0, 1, len(raw) // 2, len(raw) - 1):
        raw[at] ^= 1
        changed = replace(one, session_token=base64.b64encode(raw).decode())
        raw[at] ^= 1
        assert code(keys, changed) == "UnrecognizedClientException"
    assert code(keys, one, secret=b"t" * 32) == "UnrecognizedClientException"
    for token in ("FwoGZXIvYXdzEBYaD", "x", "ü", "=" * 40, "A" * 20_000):
        assert code(keys, replace(one, session_token=token)) == "UnrecognizedClientException"
    assert code(keys, replace(one, access_key_id="ASIAOTHER")) == "UnrecognizedClientException"
    assert code(keys, replace(one, access_key_id=MINE.access_key_id)) == "UnrecognizedClientException"
    assert Sessions(SECRET, keys).signer(one.access_key_id, None, NOW) is None


def test_a_token_ends_with_its_key_and_stays_so_if_another_pair_gets_the_id(keys: KeyFile) -> None:
    sessions, one = Sessions(SECRET, keys), issued(keys)
    assert sessions.signer(one.access_key_id, one.session_token, NOW) is not None
    keys.revoke(MINE.access_key_id)
    time.sleep(STALE_SECONDS)
    with pytest.raises(ApiError, match="security token included in the request is invalid"):
        sessions.signer(one.access_key_id, one.session_token, NOW)
    keys.take(replace(MINE, secret_access_key="another-secret"))
    time.sleep(STALE_SECONDS)
    assert code(keys, one) == "UnrecognizedClientException"


def test_a_token_ends_with_its_role_and_stays_so_if_one_of_its_name_is_made(keys: KeyFile) -> None:
    one = issued(keys, ROLE)
    keys.remove_role(ROLE)
    assert code(keys, one) == "UnrecognizedClientException"
    keys.add_role(new_role(ROLE, ALL, (ALL,), 3600))
    assert code(keys, one) == "UnrecognizedClientException"


def trust(principal: object, effect: str = "Allow", **more: object) -> dict[str, object]:
    return {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", **more}


USER, OTHER = f"arn:aws:iam::{ACCOUNT}:user/anna", "444455556666"
IF_EXTERNAL = {"StringEquals": {"sts:ExternalId": "x"}}


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ([trust({"AWS": ACCOUNT})], "account"),
        ([trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})], "account"),
        ([trust("*")], "account"),
        ([trust({"AWS": "*"})], "account"),
        ([trust({"AWS": USER})], "named"),
        ([trust({"AWS": [OTHER, USER]})], "named"),
        ([trust({"AWS": OTHER})], "unmentioned"),
        ([trust({"AWS": f"{USER}2"})], "unmentioned"),
        ([trust({"Service": "personalize.amazonaws.com"})], "unmentioned"),
        ([trust({"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x"})], "unmentioned"),
        ([trust({"AWS": ACCOUNT}, Action="sts:*")], "account"),
        ([trust({"AWS": ACCOUNT}, Action="sts:TagSession")], "unmentioned"),
        ([trust({"AWS": ACCOUNT}, Condition=IF_EXTERNAL)], "unmentioned"),
        ([trust({"AWS": ACCOUNT}), trust({"AWS": USER})], "named"),
        ([trust({"AWS": USER}), trust({"AWS": ACCOUNT}, "Deny")], "denied"),
        ([trust({"AWS": ACCOUNT}), trust({"AWS": USER}, "Deny")], "denied"),
        ([trust({"AWS": ACCOUNT}), trust({"AWS": USER}, "Deny", Condition=IF_EXTERNAL)], "account"),
    ],
)
def test_a_trust_policy_says_who_may_assume_a_role(statements: list[dict[str, object]], said: str) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    assert trust_of(document, "sts:AssumeRole", user(ACCOUNT, USER, None), NOTHING) == said


def test_a_trust_policy_may_ask_for_an_external_id_or_an_identity_provider() -> None:
    document = json.dumps({"Statement": trust({"AWS": OTHER}, Condition=IF_EXTERNAL)})
    candidate = user(OTHER, f"arn:aws:iam::{OTHER}:user/bob", None)
    assert (
        trust_of(document, "sts:AssumeRole", candidate, Facts({"sts:externalid": lambda: ("x",)}))
        == "account"
    )
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/idp.example"
    document = json.dumps({"Statement": trust({"Federated": provider})})
    assert trust_of(document, "sts:AssumeRole", federated(provider), NOTHING) == "named"
    assert trust_of(document, "sts:AssumeRole", federated(f"{provider}2"), NOTHING) == "unmentioned"
