"""Access: keys and roles, what they may, and who changed what."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sartor.console.pages import policy_editor
from sartor.console.pages.page import Action, Done, Page, Shown, Visit, link
from sartor.console.pages.policy_editor import TRUST_FIELD, answer, edited, texts_of
from sartor.console.pages.tables import Column, of_rows
from sartor.errors import ApiError, invalid_input

KEYS: Final = "/console/access"
KEY: Final = "/console/access/key"
ROLES: Final = "/console/access/roles"
ROLE: Final = "/console/access/role"
_KEY_COLUMNS: Final = (
    Column("accessKeyId", "Key", sort=True),
    Column("status", "Status", sort=True),
    Column("policies", "Policies", sort=True, end=True),
)
_ROLE_COLUMNS: Final = (
    Column("arn", "Role", sort=True),
    Column("policies", "Policies", sort=True, end=True),
    Column("maxSessionSeconds", "Longest session", sort=True, end=True),
)
#: What a new key may, in words, and the actions of its policy; ``None`` has no policy.       <- add a first policy
_FIRST: Final[Mapping[str, tuple[str, list[str] | None]]] = {
    "recommend": (
        "Ask for recommendations, put events",
        ["personalize:GetRecommendations", "personalize:GetPersonalizedRanking", "personalize:PutEvents"],
    ),
    "read": (
        "Look at everything, change nothing",
        ["personalize:Get*", "personalize:List*", "personalize:Describe*", "sartor:Get"],
    ),
    "all": ("Everything in this account, keys too", None),
}


def _first_policies(choice: str) -> list[str]:
    """Return the policies of a new key.

    Raises:
        ApiError: ``InvalidInputException``: there is no such choice.
    """
    if choice not in _FIRST:
        raise invalid_input("Choose what the key may do.")
    actions = _FIRST[choice][1]
    if actions is None:
        return []
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return [json.dumps({"Version": "2012-10-17", "Statement": [statement]})]


def _show_keys(visit: Visit) -> Shown:
    own = visit.caller.access_key_id
    found = visit.asks.get("access", "keys")["keys"]
    rows = [{**one, "isOwn": one["accessKeyId"] == own} for one in found]
    words = {
        "table": of_rows(
            visit, "Keys", _KEY_COLUMNS, rows, "There is no key.", searched=("accessKeyId", "status")
        ),
        "choices": [(key, text) for key, (text, _) in _FIRST.items()],
        "make": visit.asks.same_own("access", "keys", members={"policies": _first_policies("recommend")}),
    }
    return Shown("keys.html", words)


def _make_key(visit: Visit) -> Done:
    made = visit.asks.post("access", "keys", policies=_first_policies(visit.form.get("may", "")))
    return Done(KEYS, shown=Shown("key_made.html", {"made": made}))


def _show_key(visit: Visit) -> Shown:
    name = visit.wanted("id")
    key = visit.asks.get("access", "keys", name)
    at = ("access", "keys", name)
    other = "Inactive" if key["status"] == "Active" else "Active"
    return Shown(
        "key.html",
        {
            "key": key,
            "is_own": name == visit.caller.access_key_id,
            "other": other,
            **_editor(visit, key, {"accessKeyId": name}),
            "save": visit.asks.same_own(*at, "policies", members={"policies": _texts(key)}),
            "switch": visit.asks.same_own(*at, "status", members={"status": other}),
            "remove": visit.asks.same_own(*at, "delete", members={}),
        },
    )


def _editor(visit: Visit, holder: Mapping[str, Any], who: Mapping[str, str]) -> dict[str, Any]:
    """Return the words of an editor of policies, and what they say to the address's question."""
    texts = edited(visit, holder["policies"])
    words: dict[str, Any] = {
        "texts": texts,
        "asked": {name: visit.query.get(name, "") for name in policy_editor.ASKED},
        "has_fault": any(one.fault for one in texts),
        "verdict": None,
        "refused": None,
        "is_draft": False,
    }
    is_draft = policy_editor.FIELD in visit.every and not words["has_fault"]
    try:
        drafts = [one.text for one in texts] if is_draft else None
        words |= {"verdict": answer(visit, who, drafts), "is_draft": is_draft}
    except ApiError as error:
        words["refused"] = error
    return words


def _texts(holder: Mapping[str, Any]) -> list[str]:
    return [json.dumps(one) for one in holder["policies"]]


def _save_key(visit: Visit) -> Done:
    name = visit.wanted("id")
    visit.asks.post("access", "keys", name, "policies", policies=texts_of(visit))
    return Done(visit.link(), "The policies are saved: they hold from now on.")


def _check_key(visit: Visit) -> Done:
    return Done(KEY, shown=_show_key(visit))


def _switch_key(visit: Visit) -> Done:
    status = visit.form.get("status", "")
    visit.asks.post("access", "keys", visit.wanted("id"), "status", status=status)
    return Done(visit.link(), "The key may sign." if status == "Active" else "The key may sign no more.")


def _remove_key(visit: Visit) -> Done:
    name = visit.wanted("id")
    visit.asks.post("access", "keys", name, "delete")
    return Done(KEYS, f"{name} is deleted.")


def _ask_about_switch(visit: Visit) -> str:
    name, status = visit.query.get("id", ""), visit.form.get("status", "")
    if status == "Active":
        return f"Let {name} sign again, with the policies that it has?"
    return f"Disable {name}? What it signs is refused from now on.{_of_own(visit)}"


def _ask_about_removal(visit: Visit) -> str:
    name = visit.query.get("id", "")
    return (
        f"Delete {name}? What it signs is refused from now on, and nobody can bring it back.{_of_own(visit)}"
    )


def _of_own(visit: Visit) -> str:
    is_own = visit.query.get("id") == visit.caller.access_key_id
    return " You are signed in with it: this session ends." if is_own else ""


def _show_roles(visit: Visit) -> Shown:
    found = visit.asks.get("access", "roles")["roles"]
    rows = [{**one, "name": one["arn"].partition(":role/")[2]} for one in found]
    words = {
        "table": of_rows(
            visit,
            "Roles",
            _ROLE_COLUMNS,
            rows,
            "There is no role yet. Programs assume a role for a while by STS, and have a key that ends by itself.",
            searched=("arn",),
        ),
        "make": visit.asks.same_own("access", "roles", members={"name": "shop-reader"}),
    }
    return Shown("roles.html", words)


def _make_role(visit: Visit) -> Done:
    name = visit.form.get("name", "").strip()
    visit.asks.post("access", "roles", name=name)
    return Done(link(ROLE, name=name), "The role is made. Without a policy it may do nothing.")


def _show_role(visit: Visit) -> Shown:
    name = visit.wanted("name")
    role = visit.asks.get("access", "roles", name)
    at = ("access", "roles", name)
    return Shown(
        "role.html",
        {
            "role": role,
            "name": name,
            "trust": (edited(visit, [role["trust"]], TRUST_FIELD, "trust") or [policy_editor.Edited("")])[0],
            **_editor(visit, role, {"roleName": name}),
            "save": visit.asks.same_own(*at, "policies", members={"policies": _texts(role)}),
            "save_trust": visit.asks.same_own(*at, "trust", members={"trust": json.dumps(role["trust"])}),
            "remove": visit.asks.same_own(*at, "delete", members={}),
        },
    )


def _save_role(visit: Visit) -> Done:
    visit.asks.post("access", "roles", visit.wanted("name"), "policies", policies=texts_of(visit))
    return Done(visit.link(), "The policies are saved: they hold from now on.")


def _check_role(visit: Visit) -> Done:
    return Done(ROLE, shown=_show_role(visit))


def _save_trust(visit: Visit) -> Done:
    trust = "".join(texts_of(visit, TRUST_FIELD)[:1])
    visit.asks.post("access", "roles", visit.wanted("name"), "trust", trust=trust)
    return Done(visit.link(), "It is saved who may assume the role.")


def _remove_role(visit: Visit) -> Done:
    name = visit.wanted("name")
    visit.asks.post("access", "roles", name, "delete")
    return Done(ROLES, f"{name} is deleted.")


PAGES: Final = (
    Page(KEYS, "Keys", "Access", _show_keys, {"make": Action(_make_key)}),
    Page(
        KEY,
        "Key",
        "Access",
        _show_key,
        {
            "save": Action(_save_key),
            "check": Action(_check_key),
            "switch": Action(_switch_key, _ask_about_switch),
            "remove": Action(_remove_key, _ask_about_removal),
        },
    ),
    Page(ROLES, "Roles", "Access", _show_roles, {"make": Action(_make_role)}),
    Page(
        ROLE,
        "Role",
        "Access",
        _show_role,
        {
            "save": Action(_save_role),
            "check": Action(_check_role),
            "trust": Action(_save_trust),
            "remove": Action(
                _remove_role,
                lambda visit: (
                    f"Delete the role {visit.query.get('name', '')}? Its sessions end, and nobody can bring it back."
                ),
            ),
        },
    ),
)
