"""What a file declares: ours and CloudFormation's, and how its faults are told."""

import json

import pytest

from sartor.moving import file, own_form
from sartor.moving.declared import DeclarationError, Declared
from sartor.resources.kind_names import (
    CAMPAIGN,
    DATASET,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    FILTER,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
)

SCHEMA_OF_ITEMS = {
    "type": "record",
    "name": "Items",
    "fields": [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "GENRE", "type": ["null", "string"], "categorical": True},
    ],
    "version": "1.0",
}
OURS = """
schemas:
  shop-items:
    schema:
      type: record
      name: Items
      fields:
        - {name: ITEM_ID, type: string}
        - {name: GENRE, type: [null, string], categorical: true}
      version: "1.0"
datasetGroups:
  shop:
    tags: {version: 1.10}
    datasets:
      Items:
        schema: shop-items
        import: {dataSource: {dataLocation: s3://b/items/}, roleArn: "arn:aws:iam::000000000000:role/r"}
    filters:
      old: INCLUDE ItemID WHERE Items.GENRE IN ("a")
    solutions:
      for-you:
        recipe: aws-user-personalization-v2
        solutionConfig: {algorithmHyperParameters: {hidden_dimension: 149}}
        campaigns:
          for-you:
"""
TEMPLATE = """
Parameters:
  Bucket: {Type: String, Default: my-bucket}
  Role: {Type: String}
Resources:
  Group:
    Type: AWS::Personalize::DatasetGroup
    Properties: {Name: !Sub "${AWS::StackName}-shop"}
  Of:
    Type: AWS::Personalize::Schema
    Properties:
      Name: shop-items
      Schema: >-
        {"type": "record", "name": "Items", "fields": [{"name": "ITEM_ID", "type": "string"},
        {"name": "GENRE", "type": ["null", "string"], "categorical": true}], "version": "1.0"}
  Items:
    Type: AWS::Personalize::Dataset
    Properties:
      Name: items
      DatasetType: Items
      DatasetGroupArn: !GetAtt Group.DatasetGroupArn
      SchemaArn: !Ref Of
      DatasetImportJob:
        JobName: first
        DataSource: {DataLocation: !Join ["/", ["s3:/", !Ref Bucket, items.csv]]}
        RoleArn: !Ref Role
  ForYou:
    Type: AWS::Personalize::Solution
    Properties:
      Name: for-you
      DatasetGroupArn: {"Fn::GetAtt": [Group, DatasetGroupArn]}
      RecipeArn: arn:aws:personalize:::recipe/aws-popularity-count
      PerformHPO: false
      SolutionConfig: {HpoConfig: {HpoResourceConfig: {MaxNumberOfTrainingJobs: 2}}}
  Bucket2: {Type: AWS::S3::Bucket}
"""


def read(text: str, **parameters: str) -> dict[tuple[str, str], Declared]:
    return dict(file.read("shop.yaml", text, parameters).resources)


def test_what_stands_under_another_belongs_to_it() -> None:
    found = read(OURS)
    assert [kind for kind, _ in found] == [
        DATASET_GROUP,
        SCHEMA,
        DATASET,
        DATASET_IMPORT_JOB,
        FILTER,
        SOLUTION,
        SOLUTION_VERSION,
        CAMPAIGN,
    ]
    assert found[SCHEMA, "shop-items"].members["schema"] == SCHEMA_OF_ITEMS
    assert found[DATASET, "shop/ITEMS"].named == {DATASET_GROUP: "shop", SCHEMA: "shop-items"}
    assert found[DATASET_GROUP, "shop"].tags == {"version": "1.10"}
    solution = found[SOLUTION, "for-you"]
    assert solution.members["recipeArn"] == "arn:aws:personalize:::recipe/aws-user-personalization-v2"
    assert solution.members["solutionConfig"] == {"algorithmHyperParameters": {"hidden_dimension": "149"}}
    assert found[CAMPAIGN, "for-you"].named == {SOLUTION: "for-you"}
    assert found[FILTER, "old"].place == "shop.yaml:19"


def test_a_file_that_is_written_declares_the_same() -> None:
    found = read(OURS)
    again = read(own_form.write(found))
    assert {key: (one.members, one.named, one.tags) for key, one in again.items()} == {
        key: (one.members, one.named, one.tags) for key, one in found.items()
    }


def test_an_import_has_the_same_name_as_long_as_it_brings_the_same() -> None:
    def job(text: str) -> str:
        return str(read(text)[DATASET_IMPORT_JOB, "shop/ITEMS"].members["jobName"])

    assert job(OURS) == job(OURS.replace("version: 1.10", "version: 2"))
    assert job(OURS) != job(OURS.replace("s3://b/items/", "s3://b/items-2/"))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("recipe:", "recipy:", "shop.yaml:22: solution for-you has no recipy; is recipe meant?"),
        ("aws-user-personalization-v2", "aws-popular-count", "shop.yaml:22: .*aws-popularity-count meant"),
        ("filters:", "filtres:", "dataset-group shop has no filtres; is filters meant"),
        ("datasetGroups:", "datasetgroup:", "The file has no datasetgroup; is datasetGroups meant"),
        ("schema: shop-items", "named: shop-items", "shop.yaml:16: dataset Items needs schema"),
        ("{dataLocation: s3://b/items/}", "s3://b/items/", "dataSource must be a mapping"),
        (
            "          for-you:\n",
            "          for-you: {minProvisionedTPS: no}\n",
            "must be a whole number, not 'no'",
        ),
        (
            "    filters:",
            "    datasets:\n    filters:",
            "shop.yaml:18: datasets is there twice, first in line 14",
        ),
        ("      version:", "     version:", "shop.yaml:10: this is no YAML"),
    ],
)
def test_a_fault_is_told_with_its_line_and_what_may_be_meant(before: str, after: str, words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        read(OURS.replace(before, after))


def test_all_faults_are_told_at_once() -> None:
    text = (
        OURS.replace("recipe:", "recipy:")
        .replace("          for-you:\n", "          for-you: {tps: 1}\n")
        .replace("old: ", "old: {a: 1} #")
    )
    with pytest.raises(DeclarationError) as told:
        read(text)
    assert [line.split(":")[1] for line in str(told.value).splitlines()] == ["19", "22", "25"]


def test_a_template_declares_the_same_resources() -> None:
    given = {"AWS::StackName": "my", "Role": "arn:aws:iam::000000000000:role/r"}
    declaration = file.read("t.yaml", TEMPLATE, given)
    found = declaration.resources
    assert found[SCHEMA, "shop-items"].members["schema"] == SCHEMA_OF_ITEMS
    items = found[DATASET, "my-shop/ITEMS"]
    assert (items.named, items.members["name"]) == ({DATASET_GROUP: "my-shop", SCHEMA: "shop-items"}, "items")
    job = found[DATASET_IMPORT_JOB, "my-shop/ITEMS"].members
    assert (job["jobName"], job["dataSource"]) == ("first", {"dataLocation": "s3://my-bucket/items.csv"})
    config = found[SOLUTION, "for-you"].members["solutionConfig"]
    assert config == {"hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "2"}}}
    assert declaration.notes == ("Bucket2 (AWS::S3::Bucket) is not for here.",)


def test_a_template_of_json_is_one_too() -> None:
    text = json.dumps(
        {"Resources": {"G": {"Type": "AWS::Personalize::DatasetGroup", "Properties": {"Name": "shop"}}}},
        indent="\t",
    )
    assert list(read(text)) == [(DATASET_GROUP, "shop")]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("", "", "t.yaml:26: The parameter Role has no value: give it with --parameter Role=VALUE"),
        ("!Ref Role", "!ImportValue role", "Fn::ImportValue is not understood here"),
        ("!Ref Of", "!Ref Group", "SchemaArn names Group, which is no schema"),
        ("Name: items", "Nam: items", "Resources.Items needs Name"),
        ("PerformHPO", "PerformHpos", "has no PerformHpos; is performHPO meant"),
    ],
)
def test_what_a_template_says_that_is_not_understood_is_told(before: str, after: str, words: str) -> None:
    given = {} if not before else {"Role": "arn:aws:iam::000000000000:role/r"}
    with pytest.raises(DeclarationError, match=words):
        file.read("t.yaml", TEMPLATE.replace(before or "\0", after), {**given, "AWS::StackName": "my"})
