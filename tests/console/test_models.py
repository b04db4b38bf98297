"""The pages about models: which is better, what made it, what two of them answer; training again, and serving it."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from console.shop import BEGAN, ITEMS, USERS, Shop
from sartor.wire.call import CallError

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_what_was_trained_comes_in_pages_newest_first(shop: Shop) -> None:
    server = shop.server
    first = server.get("/sartor/v1/models?limit=1&search=for-you")
    second = server.get(f"/sartor/v1/models?limit=100&search=for-you&after={quote(first['next'], safe='')}")
    arns = [one["arn"] for one in (*first["models"], *second["models"])]
    assert arns[-2:] == [shop.arns["newer"], shop.arns["version"]]
    oldest = second["models"][-1]
    assert oldest["low"] <= oldest["value"] <= oldest["high"]
    assert oldest["others"].keys() == {"popularity", "item-knn"}
    assert server.get("/sartor/v1/models?search=nobody-called-so") == {"models": []}


def test_two_versions_of_the_same_data_answer_the_same_users_with_the_same(shop: Shop) -> None:
    members = {"one": shop.arns["newer"], "other": shop.arns["version"], "users": 7, "numResults": 5}
    found = shop.server.post("/sartor/v1/models/compare", members)
    assert found["by"] == "userId"
    assert len({row["userId"] for row in found["answers"]}) == 7
    for row in found["answers"]:
        assert (row["shared"], len(row["one"])) == (5, 5)
        assert row["one"] == row["other"]
        assert row["one"][0]["image"].startswith("https://images.example/")


def test_who_can_be_asked_about_is_found(shop: Shop) -> None:
    path = f"/sartor/v1/deployed/{quote(shop.arns['campaign'], safe='')}"
    about = shop.server.get(path)
    assert (about["recipe"], about["needs"]) == ("aws-user-personalization-v2", "userId")
    assert (about["users"], about["items"]) == (USERS, ITEMS)
    users = shop.server.get(f"{path}/users?search=u1&limit=5")
    assert [one["userId"] for one in users["users"]] == ["u1", "u10", "u11", "u12", "u13"]
    typical: dict[str, Any] = {one["typical"]: one for one in users["typical"]}
    assert typical["short history"]["interactions"] <= typical["usual history"]["interactions"]
    assert typical["usual history"]["interactions"] <= typical["long history"]["interactions"]
    long = typical["long history"]
    history = shop.server.get(f"{path}/history?userId={long['userId']}&limit=3")
    assert history["interactions"] >= long["interactions"]
    assert len(history["history"]) == 3
    times = [one["timestamp"] for one in history["history"]]
    assert times == sorted(times, reverse=True)
    items = shop.server.get(f"{path}/items?search=ITEM%202")["items"]
    assert {one["title"] for one in items} == {f"Item {number}" for number in range(23, 30)}
    (named,) = shop.server.post(f"{path}/items", {"itemIds": ["i25"]})["items"]
    assert named == {"itemId": "i25", "title": "Item 25", "image": "https://images.example/25.png"}
    assert len(shop.server.get(f"{path}/items?limit=4")["items"]) == 4


def test_a_model_is_trained_again_from_its_page(page: "Page", shop: Shop) -> None:
    page.goto(f"/console/models/model?arn={shop.arns['version']}")
    page.get_by_role("button", name="Train again").click()
    page.get_by_text("It trains").wait_for()
    made = page.url.partition("arn=")[2].replace("%3A", ":").replace("%2F", "/")
    assert made not in (shop.arns["version"], shop.arns["newer"])
    page.get_by_text("What made it").wait_for()  # it is live: the page follows it to its end
    arn = page.locator("form:has-text('Let it serve this one') input[name=campaign]").get_attribute("value")
    assert arn == shop.arns["campaign"]
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("The same: all").wait_for()
    found = shop.server.get(f"/sartor/v1/solution-versions/{quote(made, safe='')}")
    assert found["verified"]["equal"] is True
    assert found["verified"]["differences"] == []
    assert found["record"]["seed"] == 0
    event = {"eventType": "view", "itemId": "i2", "sentAt": BEGAN}
    shop.client.events.put_events(
        trackingId=shop.arns["trackingId"], userId="u2", sessionId="s2", eventList=[event]
    )
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("The data changed since the training").wait_for()


def test_what_is_not_trained_is_not_verified(shop: Shop) -> None:
    with pytest.raises(CallError, match="not exist"):
        shop.server.post("/sartor/v1/solution-versions/for-you%2Fnowhere/verify", {})
    with pytest.raises(CallError, match="force"):
        path = f"/sartor/v1/solution-versions/{quote(shop.arns['version'], safe='')}/verify"
        shop.server.post(path, {"force": "yes"})
