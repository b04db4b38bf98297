"""Access in a browser: keys and their one secret, policies with their faults, what they allow, who changed what."""

import json
import re
from typing import TYPE_CHECKING

import pytest

from console.hostile import HOSTILE, TRIED, WORST
from console.shop import Shop
from console.test_every_page import asked, cookie
from console.test_tasks import Newcomer

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def newcomer(page: "Page") -> Newcomer:
    return Newcomer(page)


def made_key(page: "Page", choice: str = "recommend") -> tuple[str, str]:
    """Make a key, and return its id and its secret as the page shows them."""
    page.goto("/console/access")
    page.get_by_label("What may it do?").select_option(choice)
    page.get_by_role("button", name="Make a key").click()
    page.get_by_text("only time that the secret is shown").wait_for()
    name, secret = (page.locator(f"code[data-line={sort}]").inner_text() for sort in ("id", "secret"))
    return name, secret


def test_the_secret_of_a_key_is_shown_once(page: "Page", shop: Shop) -> None:
    name, secret = made_key(page)
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", name)
    assert len(secret) == 40
    page.get_by_role("link", name="See what it may do").click()
    for address in (
        page.url,
        "/console/access",
        f"/console/access/audit?who={name}",
        "/console/access/audit",
    ):
        page.goto(address)
        assert secret not in page.content()
    assert all(secret not in str(one) for one in page.context.cookies())


def test_a_key_is_disabled_enabled_and_deleted_after_a_question(page: "Page", shop: Shop) -> None:
    name, _ = made_key(page)
    page.goto(f"/console/access/key?id={name}")
    page.get_by_role("button", name="Disable it").click()
    page.get_by_text(f"Disable {name}?").wait_for()
    page.get_by_role("button", name="Yes").click()
    page.get_by_text("may sign no more").wait_for()
    page.get_by_role("button", name="Enable it").click()
    page.get_by_role("button", name="Yes").click()
    page.get_by_text("The key may sign.").wait_for()
    page.get_by_role("button", name="Delete it").click()
    page.get_by_role("button", name="Yes").click()
    page.get_by_text(f"{name} is deleted").wait_for()
    assert name not in [one["accessKeyId"] for one in shop.server.get("/sartor/v1/access/keys")["keys"]]


def test_a_fault_in_a_policy_is_shown_where_it_lies_and_nothing_is_saved(page: "Page", shop: Shop) -> None:
    name, _ = made_key(page)
    before = shop.server.get(f"/sartor/v1/access/keys/{name}")["policies"]
    page.goto(f"/console/access/key?id={name}")
    text = '{\n  "Version": "2012-10-17",\n  "Statement": {"Effect": "Allow", "Action": ["Get"], "Resource": "*"}\n}'
    for button in ("Save the policies", "Check, and save nothing"):
        page.get_by_label("Policy 1").fill(text)
        page.get_by_role("button", name=button).click()
        fault = page.get_by_role("alert").filter(has_text="Line 3, column 47")
        fault.wait_for()
        field = page.get_by_label("Policy 1")
        assert field.input_value() == text
        assert field.get_attribute("aria-invalid") == "true"
        at = page.evaluate("document.activeElement.selectionStart")
        assert text[at:].startswith('"Get"')
    assert shop.server.get(f"/sartor/v1/access/keys/{name}")["policies"] == before


def test_a_policy_is_tried_before_it_is_saved_and_then_saved(page: "Page", shop: Shop) -> None:
    name, _ = made_key(page)
    page.goto(f"/console/access/key?id={name}")
    page.get_by_label("Do this").fill("personalize:DeleteCampaign")
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("No: nothing allows it").wait_for()
    wanted = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "personalize:Delete*", "Resource": "*"}],
    }
    page.get_by_text("One more policy").click()
    page.get_by_label("Policy 2").fill(json.dumps(wanted))
    page.get_by_role("button", name="Check, and save nothing").click()
    page.get_by_text("Yes: allowed").wait_for()
    page.get_by_text("which are not saved").wait_for()
    page.get_by_role("button", name="Save the policies").click()
    page.get_by_text("they hold from now on").wait_for()
    assert shop.server.get(f"/sartor/v1/access/keys/{name}")["policies"][1] == wanted


def test_a_role_is_made_its_trust_is_changed_and_it_is_deleted(page: "Page", shop: Shop) -> None:
    page.goto("/console/access/roles")
    page.get_by_label("Name").fill("team/writer")
    page.get_by_role("button", name="Make a role").click()
    page.get_by_text("it may do nothing").first.wait_for()
    trust = page.get_by_label("Trust policy")
    trust.fill(trust.input_value().replace('"Allow"', '"Perhaps"'))
    page.get_by_role("button", name="Save the trust policy").click()
    page.get_by_role("alert").filter(has_text="Invalid effect: Perhaps").wait_for()
    trust.fill(trust.input_value().replace('"Perhaps"', '"Deny"'))
    page.get_by_role("button", name="Save the trust policy").click()
    page.get_by_text("who may assume the role").wait_for()
    assert (
        shop.server.get("/sartor/v1/access/roles/team%2Fwriter")["trust"]["Statement"][0]["Effect"] == "Deny"
    )
    page.get_by_role("button", name="Delete it").click()
    page.get_by_role("button", name="Yes").click()
    page.get_by_text("team/writer is deleted").wait_for()


def test_a_form_without_its_token_makes_no_key(shop: Shop) -> None:
    signed_in = {"cookie": cookie(shop), "content-type": "application/x-www-form-urlencoded"}
    refused, _ = asked(shop, "POST", "/console/access", signed_in, "action=make&may=all")
    assert refused.status == 403


def test_hostile_texts_in_policies_names_and_questions_stay_texts(page: "Page", shop: Shop) -> None:
    name, _ = made_key(page)
    for text in (WORST, HOSTILE[12]):
        page.goto(f"/console/access/key?id={name}")
        page.get_by_label("Do this").fill(text)
        page.get_by_label("On this").fill(text)
        page.get_by_role("button", name="Ask").click()
        page.get_by_role("alert").first.wait_for()
        page.get_by_label("Policy 1").fill(text)
        page.get_by_role("button", name="Save the policies").click()
        page.get_by_role("alert").first.wait_for()
        assert page.evaluate(f"{TRIED} === undefined")
    document = {
        "Id": HOSTILE[0],
        "Version": "2012-10-17",
        "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"},
    }
    page.get_by_label("Policy 1").fill(json.dumps(document))
    page.get_by_role("button", name="Save the policies").click()
    page.get_by_text("they hold from now on").wait_for()
    page.goto("/console/access/audit?action=PutUserPolicy")
    page.get_by_text("record").first.click()
    page.get_by_text(HOSTILE[0]).first.wait_for()
    assert page.evaluate(f"{TRIED} === undefined")


def test_who_made_the_filter_and_is_the_audit_whole(newcomer: Newcomer) -> None:
    newcomer.link("Access")
    newcomer.link("Audit")
    newcomer.page.get_by_label("Anything").fill("no-drama")
    newcomer.button("Search")
    newcomer.page.get_by_role("rowheader", name="CreateFilter").wait_for()
    newcomer.button("Verify the chain")
    newcomer.sees("as written")


def test_may_this_key_delete_a_campaign_and_why_not(newcomer: Newcomer, shop: Shop) -> None:
    newcomer.link("Access")
    newcomer.link(shop.arns["key"])
    newcomer.page.get_by_label("Do this").fill("personalize:DeleteCampaign")
    newcomer.button("Ask")
    newcomer.sees("No: nothing allows it")


def test_how_do_i_get_a_key_for_my_shop(newcomer: Newcomer) -> None:
    newcomer.link("Access")
    newcomer.button("Make a key")
    newcomer.sees("export AWS_ACCESS_KEY_ID=AKIA")
