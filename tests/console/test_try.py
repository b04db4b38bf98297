"""Try: an answer with its reasons, by a filter that is not made yet, changed by an event, ranked, and similar items."""

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from console.shop import RECIPE, Shop
from sartor.wire.call import CallError

if TYPE_CHECKING:
    from playwright.sync_api import Page

A_FILTER = "arn:aws:personalize:us-east-1:000000000000:filter/x"
NO_DRAMA = 'EXCLUDE ItemID WHERE Items.GENRE IN ("Drama")'


def test_a_filter_that_is_not_made_yet_filters_as_it_will(shop: Shop) -> None:
    asked = {"campaignArn": shop.arns["campaign"], "userId": "u3", "numResults": 5}
    made = shop.server.post("/sartor/v1/explain", {**asked, "filterArn": shop.arns["filter"]})
    tried = shop.server.post("/sartor/v1/explain", {**asked, "filterExpression": NO_DRAMA})
    assert tried["items"] == made["items"]
    (rule,) = tried["removed"]
    assert (rule["rule"], rule["items"]) == (NO_DRAMA, 10)
    assert tried["images"][tried["items"][0]["itemId"]].startswith("https://images.example/")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"filterExpression": "EXCLUDE ItemID WERE"}, "character 16"),
        (
            {
                "filterExpression": NO_DRAMA,
                "filterArn": A_FILTER,
            },
            "either filterArn or filterExpression",
        ),
        ({"filterExpression": 'INCLUDE ActionID WHERE Actions.X IN ("a")'}, "Actions"),
        ({"filterExpression": 1}, "must be a text"),
    ],
)
def test_a_filter_text_that_is_none_is_refused_in_words(
    shop: Shop, more: dict[str, object], words: str
) -> None:
    asked = {"campaignArn": shop.arns["campaign"], "userId": "u3", **more}
    with pytest.raises(CallError, match=words):
        shop.server.post("/sartor/v1/explain", asked)


def test_an_event_that_is_sent_changes_the_answer_and_the_page_says_how(page: "Page", shop: Shop) -> None:
    page.goto(f"/console/try?arn={shop.arns['campaign']}&user=somebody-who-tries")
    page.get_by_text("the answer is a newcomer's").wait_for()
    page.get_by_label("Event type").select_option("view")
    page.get_by_role("textbox", name="Item", exact=True).fill("i29")
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("Sent: view i29").wait_for()
    page.get_by_text("1 interactions").wait_for()
    page.get_by_text("Because of").first.wait_for()
    assert page.locator("ol.answer .badge").count() > 0
    page.get_by_role("button", name="Send event").first.click()
    page.get_by_text("2 interactions").wait_for()


def test_who_is_not_there_is_asked_back(page: "Page", shop: Shop) -> None:
    page.goto(f"/console/try?arn={shop.arns['campaign']}")
    page.get_by_label("User").fill("u2")
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("interactions").first.wait_for()
    page.goto(f"/console/try?arn={shop.arns['campaign']}&user=u")
    page.get_by_role("link", name="u10").click()
    page.get_by_role("textbox", name="User").wait_for()
    assert page.get_by_role("textbox", name="User").input_value() == "u10"


def test_a_filter_is_written_mended_tried_on_an_answer_and_made(page: "Page", shop: Shop) -> None:
    page.goto("/console/try/filter")
    page.get_by_label("Expression").fill('INCLUDE ItemID WHERE Items.GENRE IM ("Comedy")')
    page.get_by_role("button", name="Try it").click()
    assert page.locator("mark").text_content() == "IM"
    page.get_by_label("Expression").fill("INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)")
    page.get_by_label("Values of placeholders").fill('GENRE="Comedy"')
    page.get_by_role("button", name="Try it").click()
    kept = page.locator(".figures li", has_text="kept").locator("strong")
    assert kept.text_content() == "10"
    page.get_by_role("link", name="Try it on an answer").click()
    page.get_by_text("What was removed").wait_for()
    page.go_back()
    page.get_by_label("Make it, called").fill("comedies")
    page.get_by_role("button", name="Make the filter").click()
    page.get_by_text("The filter is made").wait_for()
    filters = shop.client.personalize.list_filters(datasetGroupArn=shop.arns["group"])["Filters"]
    assert "comedies" in [one["name"] for one in filters]


def test_similar_items_follow_one_another(page: "Page", shop: Shop) -> None:
    page.goto(f"/console/try?arn={shop.arns['campaign']}&user=u3")
    page.get_by_role("link", name="Similar", exact=True).first.click()
    assert page.locator("#f-arn option:checked").text_content() == "similar (aws-sims)"
    first = page.locator("#f-item").input_value()
    page.get_by_role("link", name="Similar", exact=True).first.click()
    assert page.locator("#f-item").input_value() != first


def test_a_list_is_ranked(page: "Page", shop: Shop) -> None:
    api, until = shop.client.personalize, shop.client.until
    solution = api.create_solution(
        name="ranked",
        datasetGroupArn=shop.arns["group"],
        recipeArn=f"{RECIPE}/aws-personalized-ranking",
        performAutoTraining=False,
    )["solutionArn"]
    until(lambda: api.describe_solution(solutionArn=solution)["solution"])
    version = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    until(lambda: api.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
    campaign = api.create_campaign(name="ranked", solutionVersionArn=version)["campaignArn"]
    until(lambda: api.describe_campaign(campaignArn=campaign)["campaign"])
    page.goto(f"/console/try?arn={campaign}&user=u3&rank=i25%0Ai26%0Ai27")
    shown = page.locator("ol.answer > li .rank + .item bdi.small").all_text_contents()
    runtime = shop.server.client("personalize-runtime")
    answer = runtime.get_personalized_ranking(
        campaignArn=campaign, userId="u3", inputList=["i25", "i26", "i27"]
    )
    assert shown == [one["itemId"] for one in answer["personalizedRanking"]]
    with pytest.raises(ClientError):
        runtime.get_recommendations(campaignArn=campaign, userId="u3")
