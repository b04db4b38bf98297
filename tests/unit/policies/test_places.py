"""What is wrong with a policy is told with the line and the column where it lies."""

import json

import pytest

from sartor.policies.documents import PolicyRefused, Sort, compile_document
from sartor.policies.places import place_of

GOOD = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["personalize:Get*", "personalize:List*"], "Resource": "*"},
    {
      "Sid": "Second",
      "Effect": "Deny",
      "Action": "personalize:Delete*",
      "Resource": [
        "arn:aws:personalize:*:*:campaign/a",
        "arn:aws:personalize:*:*:campaign/b"
      ],
      "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    }
  ]
}"""
WRONG: dict[str, tuple[str, str, str]] = {
    "a comma is missing": ('"2012-10-17",', '"2012-10-17"', '"Statement"'),
    "a version of another year": ("2012-10-17", "2013-10-17", '"Version"'),
    "a member that nobody knows": ('"Sid": "Second"', '"Id": "Second"', '"Id"'),
    "an identifier with a sign": ('"Sid": "Second"', '"Sid": "a-b"', '"Sid"'),
    "an effect that is none": ('"Deny"', '"Refuse"', '"Effect": "Refuse"'),
    "an action without a service": ('"personalize:List*"', '"List"', '"List"'),
    "an action that stands alone": ('"personalize:Delete*"', '"Delete"', '"Action": "Delete"'),
    "the second resource": (
        '"arn:aws:personalize:*:*:campaign/b"',
        '"campaign/b"',
        '"campaign/b"',
    ),
    "an operator that nobody knows": ("IpAddress", "IsAddress", '"aws:SourceIp"'),
    "an address that is none": ("10.0.0.0/8", "ten", '"aws:SourceIp"'),
}


def test_a_document_without_a_fault_has_none() -> None:
    assert len(compile_document(GOOD)) == 2


@pytest.mark.parametrize("name", WRONG)
def test_a_fault_is_told_where_it_lies(name: str) -> None:
    old, new, there = WRONG[name]
    text = GOOD.replace(old, new, 1)
    with pytest.raises(PolicyRefused) as refused:
        compile_document(text)
    before = text[: text.index(there)]
    assert refused.value.line == before.count("\n") + 1
    assert refused.value.column == len(before.rpartition("\n")[2]) + 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"Statement": []}', '{"Statement": [1]}', '{"a": 1, "a": 2}', "[" * 9999]
)
@pytest.mark.parametrize("sort", ["identity", "trust"])
def test_whatever_is_wrong_has_a_place_in_the_text(text: str, sort: Sort) -> None:
    with pytest.raises(PolicyRefused) as refused:
        compile_document(text, sort)
    assert 1 <= refused.value.line <= text.count("\n") + 1
    assert refused.value.column >= 1


def test_a_place_is_found_however_the_document_is_written() -> None:
    for indent in (None, 1, 4):
        text = json.dumps({"x": [0, {'é"}]': [1, [2, "here"]]}], "y": {"x": 1}}, indent=indent)
        line, column = place_of(text, ("x", 1, 'é"}]', 1, 1))
        assert text.split("\n")[line - 1][column - 1 :].startswith('"here"')
        assert place_of(text, ("x", 7)) == place_of(text, ("x",))
        assert place_of(text, ()) == (1, 1)
