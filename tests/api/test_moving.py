"""``sartor apply``, ``export`` and ``adopt``: from a file to a server, and from one server to another."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.conftest import ROLE
from s3_server import S3Server
from sartor.cli import cli
from sartor.demo.server import Server

SHOP = f"""
schemas:
  shop-interactions:
    schema:
      type: record
      name: Interactions
      namespace: com.amazonaws.personalize.schema
      fields:
        - {{name: USER_ID, type: string}}
        - {{name: ITEM_ID, type: string}}
        - {{name: TIMESTAMP, type: long}}
        - {{name: EVENT_TYPE, type: [null, string]}}
      version: "1.0"
  shop-items:
    schema: |
      {{"type": "record", "name": "Items", "namespace": "com.amazonaws.personalize.schema",
       "fields": [{{"name": "ITEM_ID", "type": "string"}},
                  {{"name": "GENRE", "type": "string", "categorical": true}}], "version": "1.0"}}
datasetGroups:
  shop:
    tags: {{team: web}}
    datasets:
      Interactions:
        schema: shop-interactions
        import: {{dataSource: {{dataLocation: s3://training/rows.csv}}, roleArn: "{ROLE}"}}
      Items:
        schema: shop-items
        import: {{dataSource: {{dataLocation: s3://training/items.csv}}, roleArn: "{ROLE}"}}
    eventTrackers:
      web:
    filters:
      genre: INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)
      new:
        filterExpression: EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")
        tags: {{for: web}}
    metricAttributions:
      worth:
        metrics: [{{eventType: click, metricName: clicks, expression: SAMPLECOUNT()}}]
        metricsOutputConfig: {{roleArn: "{ROLE}"}}
    solutions:
      popular:
        recipe: aws-popularity-count
        performAutoTraining: false
        eventType: click
        campaigns:
          popular: {{minProvisionedTPS: 1}}
"""
DOMAIN = f"""
schemas:
  dom-interactions:
    domain: ECOMMERCE
    schema:
      {{type: record, name: Interactions, namespace: com.amazonaws.personalize.schema, version: "1.0", fields: [
        {{name: USER_ID, type: string}}, {{name: ITEM_ID, type: string}}, {{name: TIMESTAMP, type: long}},
        {{name: EVENT_TYPE, type: string}}]}}
  dom-users:
    domain: ECOMMERCE
    schema:
      {{type: record, name: Users, namespace: com.amazonaws.personalize.schema, version: "1.0",
       fields: [{{name: USER_ID, type: string}}, {{name: AGE, type: [int, "null"]}}]}}
datasetGroups:
  dom:
    domain: ECOMMERCE
    datasets:
      Interactions:
        schema: dom-interactions
        import: {{dataSource: {{dataLocation: s3://training/dom.csv}}, roleArn: "{ROLE}"}}
      Users: {{schema: dom-users}}
    recommenders:
      viewed:
        recipe: aws-ecomm-popular-items-by-views
        recommenderConfig: {{minRecommendationRequestsPerSecond: 2}}
"""
TEMPLATE = """
Resources:
  Group:
    Type: AWS::Personalize::DatasetGroup
    Properties: {Name: !Sub "${AWS::StackName}-of-a-template"}
  Interactions:
    Type: AWS::Personalize::Dataset
    Properties:
      Name: of-a-template
      DatasetType: Interactions
      DatasetGroupArn: !GetAtt Group.DatasetGroupArn
      SchemaArn: !Sub "arn:${AWS::Partition}:personalize:${AWS::Region}:${AWS::AccountId}:schema/shop-interactions"
  Popular:
    Type: AWS::Personalize::Solution
    Properties:
      Name: of-a-template
      DatasetGroupArn: !Ref Group
      RecipeArn: arn:aws:personalize:::recipe/aws-popularity-count
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        rows = (
            f"u{n % 50},i{n % 37},{1_700_000_000 + n},{'click' if n % 2 else 'view'}\n" for n in range(2000)
        )
        server.objects["training/rows.csv"] = (
            "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n" + "".join(rows)
        ).encode()
        server.objects["training/dom.csv"] = server.objects["training/rows.csv"].replace(b",view", b",View")
        items = (f"i{n},g{n % 3}\n" for n in range(37))
        server.objects["training/items.csv"] = ("ITEM_ID,GENRE\n" + "".join(items)).encode()
        yield server


def serving(data: Path, s3: S3Server) -> Server:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        return Server(data, {}, ("--for-tests", "--quotas", "aws", "--s3-endpoint", s3.url))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[Server]:
    """A server that has what the file declares."""
    with serving(tmp_path_factory.mktemp("data"), s3) as server:
        done = sartor("apply", "-", "--wait", data=server.data, said=SHOP)
        assert done.exit_code == 0, done.output
        yield server


def sartor(*words: str, data: Path, said: str | None = None, **environment: str) -> Result:
    """Run a command on a server, with nothing of ours in its environment but what is given."""
    ours = {name: None for name in os.environ if name.startswith(("SARTOR_", "AWS_"))}
    runner = CliRunner(env={**ours, **environment})
    return runner.invoke(cli, [*words, "--data", str(data)], input=said)


def printed(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_what_is_applied_again_changes_nothing(shared: Server, tmp_path: Path) -> None:
    again = sartor("apply", "-", data=shared.data, said=SHOP)
    assert (again.exit_code, again.stdout) == (0, "Nothing to change: 14 resources are as declared.\n")
    file = tmp_path / "shop.yaml"
    assert sartor("export", "--group", "shop", "-o", str(file), data=shared.data).exit_code == 0
    told = printed(sartor("apply", str(file), "--json", data=shared.data))
    assert told["summary"] == {"create": 0, "update": 0, "same": 12, "cannot change": 0}


def test_what_can_change_in_place_is_changed_and_a_dry_run_changes_nothing(shared: Server) -> None:
    changed = (
        SHOP.replace("team: web", "team: shop")
        .replace("minProvisionedTPS: 1", "minProvisionedTPS: 2")
        .replace("performAutoTraining: false", "performAutoTraining: true")
        .replace("metricName: clicks", "metricName: hits")
    )
    dry = printed(sartor("apply", "-", "--dry-run", "--json", data=shared.data, said=changed))
    assert dry["done"] == []
    told = printed(sartor("apply", "-", "--json", data=shared.data, said=changed))
    members = {change["member"] for step in told["plan"] for change in step["changes"]}
    assert members == {"tags.team", "minProvisionedTPS", "performAutoTraining", "metrics"}
    assert told["plan"] == dry["plan"]
    assert told["failed"] == told["left"] == told["working"] == []
    back = printed(sartor("apply", "-", "--json", data=shared.data, said=SHOP))
    assert back["summary"]["update"] == 4


def test_what_cannot_change_in_place_is_told_and_nothing_is_done(shared: Server) -> None:
    changed = SHOP.replace("IN ($GENRE)", "IN ($OTHER)").replace(
        "minProvisionedTPS: 1", "minProvisionedTPS: 3"
    )
    done = sartor("apply", "-", data=shared.data, said=changed)
    assert done.exit_code == 1
    assert (
        "standard input:32: filter genre cannot be changed: filterExpression of a Filter is fixed"
        in done.stderr
    )
    assert "Nothing was done." in done.stderr
    assert sartor("apply", "-", data=shared.data, said=SHOP).stdout.startswith("Nothing to change")


def test_what_a_service_refuses_is_told_and_what_needs_it_is_left(shared: Server) -> None:
    text = SHOP.replace("  shop:\n", "  other:\n").replace(
        "s3://training/rows.csv", "s3://training/nothing.csv"
    )
    text = text.replace("popular:", "other:")
    text = text.replace("genre:", "o1:").replace("new:", "o2:").replace("worth:", "o3:")
    told = sartor("apply", "-", "--wait", "--json", data=shared.data, said=text)
    assert told.exit_code == 1
    assert told.stdout, told.stderr
    found = json.loads(told.stdout)
    assert [(one["kind"], one["name"]) for one in found["failed"]] == [
        ("dataset-import-job", "other/INTERACTIONS")
    ]
    assert [one["why"] for one in found["left"]] == [
        "dataset-import-job other/INTERACTIONS failed",
        "dataset-import-job other/INTERACTIONS failed",
        "solution-version other waits too",
    ]
    assert "failed: dataset-import-job other/INTERACTIONS: " in told.stderr


def test_a_template_of_cloudformation_is_applied(shared: Server, tmp_path: Path) -> None:
    file = tmp_path / "stack.yaml"
    file.write_text(TEMPLATE, encoding="utf-8")
    assert len(printed(sartor("apply", str(file), "--json", data=shared.data))["done"]) == 3
    assert sartor("apply", str(file), data=shared.data).stdout.startswith("Nothing to change: 3")


def test_a_domain_group_moves_in_with_an_empty_dataset_and_a_stopped_recommender(
    shared: Server, s3: S3Server, tmp_path: Path
) -> None:
    """An empty dataset brings nothing, and holds up nothing, a second time neither."""
    assert sartor("apply", "-", "--wait", data=shared.data, said=DOMAIN).exit_code == 0
    recommender = "arn:aws:personalize:us-east-1:000000000000:recommender/viewed"
    shared.client().stop_recommender(recommenderArn=recommender)
    home = {"HOME": str(tmp_path)}
    assert sartor("env", "--profile", "old", data=shared.data, **home).exit_code == 0
    words = ["adopt", "--profile", "old", "--group", "dom", "--calls-a-second", "1000", "--json"]
    words += ["--export-to", "s3://training/dom", "--role-arn", ROLE]
    with serving(tmp_path / "new", s3) as new:
        told = printed(sartor(*words, data=new.data, **home))
        assert (told["differences"], told["failed"], told["left"]) == ([], [], [])
        assert {one["dataset"]: one["imported"] for one in told["rows"]} == {
            "dom/INTERACTIONS": 2000,
            "dom/USERS": 0,
        }
        found = new.client().describe_recommender(recommenderArn=recommender)["recommender"]
        assert (found["status"], found["recommenderConfig"]["minRecommendationRequestsPerSecond"]) == (
            "INACTIVE",
            2,
        )
        again = printed(sartor(*words, data=new.data, **home))
        assert (again["done"], again["differences"]) == ([], [])


def test_an_account_moves_in_whole_and_a_second_time_there_is_nothing_to_do(
    shared: Server, s3: S3Server, tmp_path: Path
) -> None:
    """Live records move too; the profile's endpoint counts, whatever the shell's environment says."""
    group = "arn:aws:personalize:us-east-1:000000000000:dataset-group/shop"
    tracker = shared.client().list_event_trackers(datasetGroupArn=group)["eventTrackers"][0][
        "eventTrackerArn"
    ]
    tracking_id = shared.client().describe_event_tracker(eventTrackerArn=tracker)["eventTracker"][
        "trackingId"
    ]
    event = {"eventType": "click", "itemId": "i1", "sentAt": 1_800_000_000}
    shared.client("personalize-events").put_events(
        trackingId=tracking_id, userId="live", sessionId="s", eventList=[event]
    )
    home = {"HOME": str(tmp_path)}
    assert sartor("env", "--profile", "old", data=shared.data, **home).exit_code == 0
    words = ["adopt", "--profile", "old", "--group", "shop", "--calls-a-second", "1000", "--json"]
    data = ["--export-to", "s3://training/moved", "--role-arn", ROLE]
    with serving(tmp_path / "new", s3) as new:
        elsewhere = {**home, **new.environment}
        left = json.loads(sartor(*words, data=new.data, **elsewhere).stdout)
        assert {(one["kind"], one["here"]) for one in left["differences"]} == {
            ("solution-version", "missing"),
            ("campaign", "missing"),
        }
        told = printed(sartor(*words, *data, data=new.data, **elsewhere))
        assert told["differences"] == []
        assert {one["dataset"]: one["imported"] for one in told["rows"]} == {
            "shop/INTERACTIONS": 2001,
            "shop/ITEMS": 37,
        }
        again = printed(sartor(*words, *data, data=new.data, **elsewhere))
        assert (again["done"], again["differences"]) == ([], [])
        assert again["summary"]["same"] == len(again["plan"]) == 14
        campaign = new.client().list_campaigns()["campaigns"][0]["campaignArn"]
        answer = new.client("personalize-runtime").get_recommendations(campaignArn=campaign, userId="u1")
        assert answer["itemList"][0]["itemId"] == "i1"  # the live record made it the most popular
        same = sartor("adopt", "--profile", "old", data=shared.data, **home)
        assert (same.exit_code, "is where this would be built" in same.stderr) == (1, True)
        assert "secret" not in (told | again).__repr__().lower()
