"""Every documented rule has tests, and they are there."""

import ast
import re
from functools import cache

import pytest
from conformance.rules import REPORTED, ROOT, RULES, SOURCES, Rule, read

EVERY = read()


@cache
def names_in(file: str) -> set[str]:
    """Return the names of the tests in a file."""
    parsed = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = [one for one in parsed.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {one.name for one in functions if one.name.startswith("test_")}


def test_each_file_has_a_topic_of_its_own() -> None:
    assert len({rule.topic for rule in EVERY}) == len(list(RULES.glob("*.toml")))


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.id)
def test_a_rule_is_a_sentence_with_its_source_and_tests_that_are_there(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert re.fullmatch(r"[A-Z`].{10,300}\.`?", rule.says)
    assert rule.sources
    for source in rule.sources:
        word, _, page = source.partition(":")
        assert source == REPORTED or (word in SOURCES and page), source
    assert rule.tests
    assert len(set(rule.tests)) == len(rule.tests)
    for test in rule.tests:
        file, _, name = test.partition("::")
        assert name in names_in(file), test


def test_no_two_rules_say_the_same() -> None:
    assert len({rule.says.casefold() for rule in EVERY}) == len(EVERY)
