"""``/sartor/v1/access``: keys, roles and policies of one's own account, for whom policies allow it; all is recorded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sartor.access.gate import Gate
from sartor.access.sessions import Sessions
from sartor.app import open_backend
from sartor.console.access import AccessPages
from sartor.console.trail import TrailPages
from sartor.errors import ApiError
from sartor.keys import AccessKey
from sartor.settings import load
from sartor.wire.sign import Caller, HttpRequest

ACCOUNT, OTHER, REGION = "111122223333", "444455556666", "eu-central-1"
USER = f"arn:aws:iam::{ACCOUNT}:user"


def policy(action: str | list[str], resource: str = "*", effect: str = "Allow") -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Service:
    """The pages of one service, asked as the console and the exchange ask them."""

    def __init__(self, data: Path) -> None:
        self.backend = open_backend(load({"data": data}, {}))
        self.gate = Gate(self.backend.store)
        self.pages = AccessPages(self.backend.store, self.backend.keys, self.gate)
        self.trail = TrailPages(self.backend.store)
        self.admin = self.backend.keys.add(ACCOUNT)

    def ask(self, path: str, members: Any = None, key: AccessKey | None = None, signs: bool = True) -> Any:
        key = key or self.admin
        below, _, query = path.partition("?")
        sent = f"/sartor/v1/access/{below}"
        body = b"" if members is None else json.dumps(members).encode()
        request = HttpRequest("GET" if members is None else "POST", quote(sent), query, {}, body)
        caller = Caller(key.account, REGION, key.access_key_id, key.principal if signs else None, request)
        self.gate.require(caller, None, {}, request)
        for pages in (self.trail, self.pages):
            answer = pages.answer(caller, request, sent)
            if answer is not None:
                return answer
        raise AssertionError(f"nobody answers {path}")

    def refused(
        self, path: str, members: Any = None, key: AccessKey | None = None, signs: bool = True
    ) -> ApiError:
        with pytest.raises(ApiError) as refused:
            self.ask(path, members, key, signs)
        return refused.value

    def who_may(self, *documents: str) -> AccessKey:
        return self.backend.keys.add(ACCOUNT, documents)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.backend.close()


def test_the_secret_of_a_key_is_in_the_answer_that_made_it_and_nowhere_else(service: Service) -> None:
    made = service.ask("keys", {"policies": [policy("personalize:Get*")]})
    secret, name = made["secretAccessKey"], made["accessKeyId"]
    assert service.backend.keys.get(name) is not None
    for path in ("keys", f"keys/{name}", "audit"):
        assert secret not in json.dumps(service.ask(path))
    shown = service.ask(f"keys/{name}")
    assert shown["policies"] == [json.loads(policy("personalize:Get*"))]
    assert shown["status"] == "Active"


def test_keys_are_those_of_the_callers_account(service: Service) -> None:
    foreign = service.backend.keys.add(OTHER)
    found = service.ask("keys")["keys"]
    assert [one["accessKeyId"] for one in found] == [service.admin.access_key_id]
    for path, members in (
        ("", None),
        ("/policies", {}),
        ("/status", {"status": "Inactive"}),
        ("/delete", {}),
    ):
        error = service.refused(f"keys/{foreign.access_key_id}{path}", members)
        assert error.code == "ResourceNotFoundException"
    assert service.backend.keys.get(foreign.access_key_id) == foreign


def test_a_disabled_key_signs_no_more_and_keeps_its_policies(service: Service) -> None:
    key = service.who_may(policy("personalize:Get*"))
    sessions = Sessions(b"secret", service.backend.keys)
    at = f"keys/{key.access_key_id}"
    service.ask(f"{at}/status", {"status": "Inactive"})
    assert service.ask(at)["status"] == "Inactive"
    assert sessions.signer(key.access_key_id, None, 0.0) is None
    service.ask(f"{at}/policies", {"policies": [policy("personalize:List*")]})
    assert sessions.signer(key.access_key_id, None, 0.0) is None
    assert service.ask(at)["policies"] == [json.loads(policy("personalize:List*"))]
    service.ask(f"{at}/status", {"status": "Active"})
    assert sessions.signer(key.access_key_id, None, 0.0) is not None
    assert service.refused(f"{at}/status", {"status": "Deleted"}).code == "InvalidInputException"


def test_a_deleted_key_is_gone(service: Service) -> None:
    key = service.who_may()
    service.ask(f"keys/{key.access_key_id}/delete", {})
    assert service.backend.keys.get(key.access_key_id) is None
    assert service.refused(f"keys/{key.access_key_id}/delete", {}).code == "ResourceNotFoundException"


def test_a_role_is_made_changed_and_removed(service: Service) -> None:
    made = service.ask("roles", {"name": "team/reader"})
    assert made["arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/reader"
    assert made["trust"]["Statement"][0]["Principal"] == {"AWS": ACCOUNT}
    assert service.refused("roles", {"name": "team/reader"}).code == "ResourceAlreadyExistsException"
    changed = service.ask("roles/team/reader/policies", {"policies": [policy("personalize:Get*")]})
    assert changed["policies"] == [json.loads(policy("personalize:Get*"))]
    trust = {"Effect": "Allow", "Principal": {"AWS": f"{USER}/a"}, "Action": "sts:AssumeRole"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    assert service.ask("roles/team/reader/trust", {"trust": text})["trust"] == json.loads(text)
    assert service.ask("roles/team/reader")["roleId"] == made["roleId"]
    assert [one["arn"] for one in service.ask("roles")["roles"]] == [made["arn"]]
    service.ask("roles/team/reader/delete", {})
    assert service.ask("roles")["roles"] == []


@pytest.mark.parametrize(
    "members",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "a" * 65},
        {"name": "<script>"},
        {"name": "a", "maxSessionSeconds": 1},
    ],
)
def test_a_role_that_is_none_is_refused(service: Service, members: dict[str, Any]) -> None:
    assert service.refused("roles", members).code == "InvalidInputException"


def test_a_policy_with_a_fault_is_refused_with_its_place_and_changes_nothing(service: Service) -> None:
    bad = '{\n "Version": "2012-10-17",\n "Statement": {"Effect": "Maybe"}}'
    for path, members in (
        ("keys", {"policies": [bad]}),
        (f"keys/{service.admin.access_key_id}/policies", {"policies": [bad]}),
        ("roles", {"name": "r", "policies": [bad]}),
        ("roles", {"name": "r", "trust": bad}),
        ("simulation", {"accessKeyId": service.admin.access_key_id, "action": "a:b", "policies": [bad]}),
    ):
        error = service.refused(path, members)
        assert (error.code, error.message) == (
            "MalformedPolicyDocument",
            "Line 3, column 16: Invalid effect: Maybe.",
        )
    second = service.refused("keys", {"policies": [policy("a:b"), "{"]})
    assert second.message.startswith("Policy 2, line 1, column 2: Syntax errors in policy")
    assert service.refused("keys", {"policies": ["{}"] * 11}).code == "InvalidInputException"
    assert service.backend.keys.all() == [service.admin]
    assert service.backend.keys.roles() == []


ACTIONS: dict[str, tuple[str, Any, str]] = {
    "iam:ListAccessKeys": ("keys", None, f"{USER}/*"),
    "iam:CreateAccessKey": ("keys", {}, f"{USER}/*"),
    "iam:GetUserPolicy": ("keys/AKIAX", None, f"{USER}/AKIAX"),
    "iam:PutUserPolicy": ("keys/AKIAX/policies", {}, f"{USER}/AKIAX"),
    "iam:UpdateAccessKey": ("keys/AKIAX/status", {"status": "Active"}, f"{USER}/AKIAX"),
    "iam:DeleteAccessKey": ("keys/AKIAX/delete", {}, f"{USER}/AKIAX"),
    "iam:ListRoles": ("roles", None, f"arn:aws:iam::{ACCOUNT}:role/*"),
    "iam:CreateRole": ("roles", {"name": "r"}, f"arn:aws:iam::{ACCOUNT}:role/*"),
    "iam:GetRole": ("roles/a/b", None, f"arn:aws:iam::{ACCOUNT}:role/a/b"),
    "iam:PutRolePolicy": ("roles/a/b/policies", {}, f"arn:aws:iam::{ACCOUNT}:role/a/b"),
    "iam:UpdateAssumeRolePolicy": ("roles/b/trust", {"trust": "{}"}, f"arn:aws:iam::{ACCOUNT}:role/b"),
    "iam:DeleteRole": ("roles/b/delete", {}, f"arn:aws:iam::{ACCOUNT}:role/b"),
    "iam:SimulatePrincipalPolicy": ("simulation", {"action": "a:b", "accessKeyId": "AKIAX"}, "*"),
    "cloudtrail:LookupEvents": ("audit", None, "*"),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_policies_name_what_looks_after_access_as_iam_does(service: Service, action: str) -> None:
    path, members, resource = ACTIONS[action]
    # whoever may see reports and change data is not therefore one who may make keys
    others = service.who_may(policy(["sartor:*", "personalize:*"]), policy(action, effect="Deny"))
    denied = service.refused(path, members, others)
    assert denied.code == "AccessDeniedException"
    assert f"is not authorized to perform: {action} on resource: {resource} " in denied.message
    allowed = service.who_may(policy(action, resource))
    try:
        service.ask(path, members, allowed)
    except ApiError as error:
        assert error.code != "AccessDeniedException", error.message


def test_a_path_that_is_spelled_otherwise_needs_the_same_permission(service: Service) -> None:
    reader = service.who_may(policy("sartor:*"))
    for path in ("/sartor/v1/access/%6Beys", "/sartor/v1/%61ccess/keys", "/sartor/v1/access%2Fkeys"):
        request = HttpRequest("POST", path, "", {}, b"{}")
        caller = Caller(ACCOUNT, REGION, reader.access_key_id, reader.principal, request)
        with pytest.raises(ApiError, match="iam:CreateAccessKey"):
            service.gate.require(caller, None, {}, request)


def test_where_nobody_signs_nobody_makes_keys(service: Service) -> None:
    for path, members in (
        ("keys", {}),
        ("roles", {"name": "r"}),
        (f"keys/{service.admin.access_key_id}/delete", {}),
    ):
        assert service.refused(path, members, signs=False).code == "AccessDeniedException"
    assert service.ask("keys", signs=False)["keys"]


def test_a_simulation_says_what_the_gate_would(service: Service) -> None:
    key = service.who_may(policy("personalize:Get*"), policy("personalize:GetSolutionMetrics", effect="Deny"))
    asked = {"accessKeyId": key.access_key_id, "action": "personalize:GetRecommendations"}
    assert service.ask("simulation", asked)["decision"] == "allowed"
    denied = service.ask("simulation", {**asked, "action": "personalize:GetSolutionMetrics"})
    assert denied["decision"] == "explicitDeny"
    assert denied["why"] == ["Policy 2, the statement at line 4, denies it, and a deny wins."]
    assert service.ask("simulation", {**asked, "action": "sts:AssumeRole"})["decision"] == "implicitDeny"
    draft = {**asked, "policies": [policy("sts:*")]}
    assert service.ask("simulation", draft)["decision"] == "implicitDeny"
    free = {**asked, "accessKeyId": service.admin.access_key_id}
    assert service.ask("simulation", free)["why"] == ["A key without a policy may do all in its account."]
    service.ask(f"keys/{key.access_key_id}/status", {"status": "Inactive"})
    assert service.ask("simulation", asked)["decision"] == "explicitDeny"
    service.ask("roles", {"name": "r"})
    assert service.ask("simulation", {"roleName": "r", "action": "a:b"})["decision"] == "implicitDeny"


def test_a_simulation_assumes_what_it_is_told_of_the_request(service: Service) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "personalize:PutEvents",
        "Resource": "*",
        "Condition": {
            "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
            "StringEquals": {"aws:username": "${aws:username}"},
        },
    }
    key = service.who_may(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    asked = {"accessKeyId": key.access_key_id, "action": "personalize:PutEvents"}
    for address, decision in (("10.1.1.1", "allowed"), ("192.0.2.1", "implicitDeny")):
        found = service.ask("simulation", {**asked, "context": {"aws:SourceIp": address}})
        assert found["decision"] == decision


@pytest.mark.parametrize(
    "members",
    [
        *({"action": "a:b"}, {"action": "a:b", "accessKeyId": "x", "roleName": "y"}, {"accessKeyId": "x"}),
        *({"action": one, "roleName": "r"} for one in ("", "Get", "a:b:c", "a:<script>")),
        {"action": "a:b", "roleName": "r", "resource": "shop"},
    ],
)
def test_a_simulation_of_nothing_is_refused(service: Service, members: dict[str, Any]) -> None:
    service.ask("roles", {"name": "r"})
    assert service.refused("simulation", members).code == "InvalidInputException"


def test_every_change_is_recorded_with_who_made_it_and_found_again(service: Service) -> None:
    made = service.ask("keys", {})["accessKeyId"]
    service.ask("roles", {"name": "reader"})
    service.ask(f"keys/{made}/delete", {}, service.who_may())
    found = service.ask("audit")["records"]
    assert [one["record"]["eventName"] for one in found] == [
        "DeleteAccessKey",
        "CreateRole",
        "CreateAccessKey",
    ]
    names = {one["record"]["userIdentity"]["accessKeyId"] for one in found}
    assert len(names) == 2
    assert [one["number"] for one in service.ask("audit?action=accesskey")["records"]] == [3, 1]
    who = service.ask(f"audit?who={service.admin.access_key_id}")["records"]
    assert [one["number"] for one in who] == [2, 1]
    assert [one["number"] for one in service.ask("audit?text=reader")["records"]] == [2]
    assert service.ask("audit?action=%25")["records"] == []


def test_records_come_in_pages_from_any_time(service: Service) -> None:
    with service.backend.store.write() as transaction:
        for minute in range(50):
            record = {
                "eventTime": f"2026-01-01T00:{minute:02}:00Z",
                "eventName": f"E{minute % 2}",
                "userIdentity": {},
            }
            transaction.append_audit(ACCOUNT, REGION, json.dumps(record, separators=(",", ":")))
    seen: list[int] = []
    before = ""
    while True:
        page = service.ask(f"audit?limit=7&action=E1{before}")
        seen += [one["number"] for one in page["records"]]
        if "before" not in page:
            break
        before = f"&before={page['before']}"
    assert seen == list(range(50, 0, -2))
    within = service.ask("audit?since=2026-01-01T00:10:00Z&until=2026-01-01T00:20&limit=1000")
    assert [one["number"] for one in within["records"]] == list(range(20, 10, -1))
    assert service.ask("audit?until=2025-12-31")["records"] == []
    assert service.refused("audit?since=yesterday").code == "InvalidInputException"
    assert service.ask("audit?limit=0")["records"] == []


def test_the_chain_is_verified_and_an_earlier_hash_is_looked_for(service: Service) -> None:
    empty = service.ask("audit/verification")
    assert (empty["records"], empty["fault"]) == (0, None)
    service.ask("keys", {})
    head = service.ask("audit/verification")["head"]
    service.ask("keys", {})
    found = service.ask(f"audit/verification?head={head}")
    assert (found["name"], found["records"], found["fault"], found["missing"]) == (
        f"{ACCOUNT}/{REGION}",
        2,
        None,
        [],
    )
    assert service.ask(f"audit/verification?head={'0' * 64}")["missing"] == ["0" * 64]
    foreign = service.backend.keys.add(OTHER)
    assert service.ask("audit", key=foreign)["records"] == []
