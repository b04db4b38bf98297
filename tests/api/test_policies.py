"""Keys with IAM policies: boto3 is refused in AWS's words, on all three services, as soon as a policy is attached."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import Client
from sartor.demo.server import client_of
from sartor.keys import KEY_FILE, STALE_SECONDS, KeyFile
from sartor.wire import call

ACCOUNT = "000000000000"
ROOT = f"arn:aws:personalize:us-east-1:{ACCOUNT}"


class Keyed:
    """A key of one's own, as the commands change it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.keys = KeyFile(client.server.data / KEY_FILE)
        self.key = self.keys.add(ACCOUNT)
        self.user = f"arn:aws:iam::{ACCOUNT}:user/{self.key.access_key_id}"

    def may(self, *statements: dict[str, Any]) -> None:
        """Give the key a policy of these statements."""
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.keys.set_policies(self.key.access_key_id, (policy,))
        time.sleep(STALE_SECONDS)

    def boto(self, service: str = "personalize") -> Any:
        return client_of(
            self.client.server.url,
            {
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": self.key.access_key_id,
                "AWS_SECRET_ACCESS_KEY": self.key.secret_access_key,
            },
            service,
        )


@pytest.fixture
def keyed(client: Client) -> Keyed:
    return Keyed(client)


def refusal(asked: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as refused:
        asked(**members)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return str(refused.value.response["Error"]["Message"])


def test_a_key_without_a_policy_may_do_all_in_its_account(keyed: Keyed) -> None:
    assert keyed.boto().list_dataset_groups(maxResults=1) is not None


def test_a_key_may_do_what_its_policy_allows_and_nothing_else(keyed: Keyed) -> None:
    name = keyed.client.name("mine")
    group = f"{ROOT}:dataset-group/{name}"
    keyed.may(
        {"Effect": "Allow", "Action": "personalize:*DatasetGroup*", "Resource": "*"},
        {"Effect": "Deny", "Action": "personalize:Delete*", "Resource": "*"},
    )
    boto = keyed.boto()
    assert boto.create_dataset_group(name=name)["datasetGroupArn"] == group
    assert boto.describe_dataset_group(datasetGroupArn=group)["datasetGroup"]["name"] == name
    assert refusal(boto.delete_dataset_group, datasetGroupArn=group) == (
        f"User: {keyed.user} is not authorized to perform: personalize:DeleteDatasetGroup on resource: {group} "
        "with an explicit deny in an identity-based policy"
    )
    assert refusal(boto.list_schemas) == (
        f"User: {keyed.user} is not authorized to perform: personalize:ListSchemas on resource: * because no "
        "identity-based policy allows the personalize:ListSchemas action"
    )
    keyed.keys.set_policies(keyed.key.access_key_id, ())
    time.sleep(STALE_SECONDS)
    assert boto.list_schemas() is not None


def test_the_other_services_and_our_own_paths_keep_to_it_too(keyed: Keyed) -> None:
    keyed.may(
        {"Effect": "Allow", "Action": "personalize:GetRecommendations", "Resource": f"{ROOT}:campaign/mine*"}
    )
    events, runtime = keyed.boto("personalize-events"), keyed.boto("personalize-runtime")
    event = {"eventType": "click", "sentAt": 1}
    said = refusal(events.put_events, trackingId="t", sessionId="s", eventList=[event])
    assert f"personalize:PutEvents on resource: {ROOT}:event-tracker/*" in said
    said = refusal(runtime.get_recommendations, campaignArn=f"{ROOT}:campaign/other", userId="u")
    assert f"personalize:GetRecommendations on resource: {ROOT}:campaign/other" in said
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        runtime.get_recommendations(campaignArn=f"{ROOT}:campaign/mine", userId="u")
    with pytest.raises(
        call.CallError, match="does not exist"
    ):  # of the server's own key, which has no policy
        keyed.client.server.get("/sartor/v1/import-jobs/nobody/report")
    with pytest.raises(call.CallError, match="not authorized to perform: sartor:Get on resource"):
        call.get(keyed.client.server.url, "/sartor/v1/import-jobs/nobody/report", keyed.key, "us-east-1")
