"""The documented rules of Amazon Personalize, and the tests that prove that Sartor keeps them.

They stand in `tests/rules`, a file a topic, a table a rule:

    title = "Schemas"

    [schema-is-flat]
    says = "A schema is flat: arrays, maps, nested records, enums and bytes are refused."
    source = ["guide:how-it-works-dataset-schema"]
    tests = ["tests/unit/data/test_schema.py::test_only_flat_fields_are_allowed"]
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
RULES: Final = ROOT / "tests" / "rules"

_GUIDE: Final = "https://docs.aws.amazon.com/personalize/latest/dg"
_BOTOCORE: Final = "https://github.com/boto/botocore/tree/develop/botocore/data"
#: Where a rule is published, by the word before its colon; what follows it stands in the place of ``{}``.
SOURCES: Final = {
    "guide": f"{_GUIDE}/{{}}.html",
    "api": f"{_GUIDE}/API_{{}}.html",
    "model": f"{_BOTOCORE}/{{}}",
    "samples": "https://github.com/aws-samples/{}",
    "issue": "https://github.com/{}",
    "authorization": "https://docs.aws.amazon.com/service-authorization/latest/reference/{}.html",
    "web": "https://{}",
}
#: What users saw and told, of which nothing is published that can be linked.
REPORTED: Final = "reported"


@dataclass(frozen=True)
class Rule:
    """A documented rule.

    Attributes:
        id: a few words; no other rule has them.
        topic: what it is about, as a heading.
        says: the rule in one sentence.
        sources: where it is documented, each ``word:page`` with a word of ``SOURCES``, or ``reported``.
        tests: what proves it, each ``tests/file.py::test_name``.
    """

    id: str
    topic: str
    says: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]


def read(folder: Path = RULES) -> list[Rule]:
    """Return every rule, by the names of the files and in their order.

    Raises:
        ValueError: a rule lacks a member or has one too many, or two files have one id.
    """
    found: dict[str, Rule] = {}
    for file in sorted(folder.glob("*.toml")):
        topic = tomllib.loads(file.read_text(encoding="utf-8"))
        title = topic.pop("title")
        for name, row in topic.items():
            if name in found or set(row) != {"says", "source", "tests"}:
                raise ValueError(
                    f"{file.name}: {name} must be there once and have says, source and tests alone."
                )
            found[name] = Rule(name, title, row["says"], tuple(row["source"]), tuple(row["tests"]))
    return list(found.values())


def lines(rules: list[Rule]) -> Iterator[str]:
    """Yield the page of the rules."""
    yield "# Rules\n"
    yield (
        "The rules that Amazon documents, or that its own programs and their users show, and the tests that prove "
        "that Sartor keeps them. They are written in `tests/rules`. What is tried of every operation: "
        "[compatibility](compatibility.md)."
    )
    for topic in dict.fromkeys(rule.topic for rule in rules):
        yield f"\n## {topic}\n"
        yield "| rule | source | tests |\n| --- | --- | --- |"
        for rule in rules:
            if rule.topic == topic:
                sources, tests = (", ".join(one) for one in (_sources(rule), _tests(rule)))
                yield f"| {rule.says.replace('|', '&#124;')} | {sources} | {tests} |"


def _sources(rule: Rule) -> Iterator[str]:
    for source in rule.sources:
        word, _, page = source.partition(":")
        yield source if source == REPORTED else f"[{word}: {page}]({SOURCES[word].format(page)})"


def _tests(rule: Rule) -> Iterator[str]:
    for test in rule.tests:
        file, _, name = test.partition("::")
        yield f"[{name.removeprefix('test_').replace('_', ' ')}](../../{file})"
