"""The table of kinds against the service model and the ARN forms of the reference."""

import botocore.session
import pytest

from sartor.resources.kinds import KINDS, arn_of, kind_of

MODEL = botocore.session.get_session().get_service_model("personalize")
ACCOUNT, REGION = "111122223333", "eu-central-1"
NAMES = {"name": "n", "group": "g", "type": "ITEMS", "id": "0a1b2c3d", "solution": "s"}


def test_there_are_fifteen_kinds() -> None:
    assert len(KINDS) == 15


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_words_of_a_kind_are_those_of_its_operations(kind) -> None:
    create = MODEL.operation_model(f"Create{kind.noun}")
    assert kind.arn_member in create.output_shape.members
    described = MODEL.operation_model(f"Describe{kind.noun}").output_shape
    assert list(described.members) == [kind.member]
    assert kind.name_member in described.members[kind.member].members
    listing = MODEL.operation_model(f"List{kind.noun}s")
    assert kind.list_member in listing.output_shape.members
    filters = set(listing.input_shape.members) - {"nextToken", "maxResults"}
    assert filters == ({kind.listed_by} if kind.listed_by else set())
    assert kind.deletable == (f"Delete{kind.noun}" in MODEL.operation_names)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_only_kinds_whose_creation_takes_tags_are_taggable(kind) -> None:
    assert kind.taggable == ("tags" in MODEL.operation_model(f"Create{kind.noun}").input_shape.members)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_blocks_a_deletion_is_a_kind(kind) -> None:
    assert set(kind.held_by) | set(kind.held_by_work) <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_arn_names_its_kind_and_only_to_its_owner(kind) -> None:
    arn = arn_of(kind, REGION, ACCOUNT, **NAMES)
    assert kind_of(arn, REGION, ACCOUNT) is kind
    assert kind_of(arn, "us-east-1", ACCOUNT) is None
    assert kind_of(arn, REGION, "444455556666") is None


def test_arns_have_the_forms_of_the_service() -> None:
    prefix = f"arn:aws:personalize:{REGION}:{ACCOUNT}:"
    tails = {
        "dataset-group": "dataset-group/n",
        "schema": "schema/n",
        "dataset": "dataset/g/ITEMS",
        "dataset-import-job": "dataset-import-job/n",
        "dataset-export-job": "dataset-export-job/n",
        "data-deletion-job": "data-deletion-job/n",
        "event-tracker": "event-tracker/0a1b2c3d",
        "metric-attribution": "metric-attribution/n",
        "filter": "filter/n",
        "solution": "solution/n",
        "solution-version": "solution/s/0a1b2c3d",
        "campaign": "campaign/n",
        "recommender": "recommender/n",
        "batch-inference-job": "batch-inference-job/n",
        "batch-segment-job": "batch-segment-job/n",
    }
    assert set(tails) == set(KINDS)
    for name, tail in tails.items():
        assert arn_of(KINDS[name], REGION, ACCOUNT, **NAMES) == prefix + tail


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "arn:aws:personalize:::recipe/aws-sims",
        f"arn:aws-cn:personalize:{REGION}:{ACCOUNT}:filter/f",
        f"arn:aws:personalize:{REGION}:{ACCOUNT}:banana/f",
        f"arn:aws:personalize:{REGION}:{ACCOUNT}:solution-version/f",
        f"arn:aws:personalize:{REGION}:{ACCOUNT}:filter/f\x00",
        f"arn:aws:personalize:{REGION}:{ACCOUNT}:filter/f\n",
        f"arn:aws:personalize:{REGION}:{ACCOUNT}:filter/",
    ],
)
def test_what_is_no_arn_of_ours_names_nothing(arn: str) -> None:
    assert kind_of(arn, REGION, ACCOUNT) is None
