"""A dataset's schema: an Avro record of flat fields, under Amazon's rules for its dataset type.

``parse`` is both the check of CreateSchema and the reader of the stored text. Source of the rules: the
developer guide's pages on datasets and schemas, and the quotas page. One error names all broken rules.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sartor.data.dataset_types import DATASET_TYPES, DatasetType, Keyword
from sartor.errors import invalid_input

#: The longest schema, in characters.
MAXIMUM_CHARACTERS: Final = 20_000
#: The Avro types a field may have beside ``null``, with DuckDB's name for each.
SQL_TYPES: Final[Mapping[str, str]] = {
    "string": "VARCHAR",
    "long": "BIGINT",
    "int": "INTEGER",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
}
#: What a field may say of its use, by the member that says it.
_USES: Final[Mapping[str, str]] = {
    "categorical": "categorical",
    "textual": "textual",
    "itemName": "item_name",
}
#: What a field may be called.
FIELD_NAME: Final = re.compile(r"[A-Za-z0-9_]*[A-Za-z0-9][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Field:
    """One column of a dataset.

    Attributes:
        name: the column's name, as the schema spells it.
        type: an Avro type, one of ``SQL_TYPES``.
        nullable: whether the schema allows null.
        categorical: whether a string holds categories, parted by ``|``.
        textual: whether a string is text to understand.
        item_name: whether a string is what people call the item.
    """

    name: str
    type: str
    nullable: bool = False
    categorical: bool = False
    textual: bool = False
    item_name: bool = False

    @property
    def is_number(self) -> bool:
        """Whether the column holds numbers."""
        return self.type in ("int", "long", "float", "double")

    @property
    def sql_type(self) -> str:
        """DuckDB's type of the column."""
        return SQL_TYPES[self.type]


@dataclass(frozen=True)
class Schema:
    """The columns of one dataset, in the schema's order.

    Attributes:
        dataset_type: such as ``INTERACTIONS``, a key of ``DATASET_TYPES``.
        domain: ``ECOMMERCE``, ``VIDEO_ON_DEMAND`` or None.
        fields: at least two.
    """

    dataset_type: str
    domain: str | None
    fields: tuple[Field, ...]

    @property
    def type_rules(self) -> DatasetType:
        """What holds for every schema of this type and domain."""
        return DATASET_TYPES[self.domain][self.dataset_type]


@lru_cache(maxsize=4096)  # every event asks for the same few names
def folded(name: str) -> str:
    """Return the form in which two names are the same: underscores and case do not count."""
    return name.replace("_", "").casefold()


def parse(text: str, domain: str | None = None) -> Schema:
    """Read a schema and keep it to every rule.

    Args:
        text: the Avro record as JSON.
        domain: ``ECOMMERCE``, ``VIDEO_ON_DEMAND`` or None.

    Raises:
        ApiError: ``InvalidInputException`` that names each broken rule.
    """
    record = _record(text)
    of_type = _dataset_type(record, domain)
    faults: list[str] = []
    fields = []
    for place, declared in enumerate(record["fields"], start=1):
        field = _field(declared, place, faults)
        if field is not None:
            fields.append(field)
    faults.extend(_broken_rules(fields, of_type))
    if faults:
        raise invalid_input("The schema is invalid. " + " ".join(faults))
    return Schema(of_type.name, domain, tuple(fields))


def _record(text: str) -> dict[str, Any]:
    """Return the JSON object that the text must be, with its list of fields."""
    if len(text) > MAXIMUM_CHARACTERS:
        raise invalid_input(
            f"The schema is invalid. It has {len(text)} characters, {MAXIMUM_CHARACTERS} are allowed."
        )
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid_input(f"The schema is invalid. It is not JSON: {error}.") from error
    if not isinstance(record, dict) or record.get("type") != "record":
        raise invalid_input('The schema is invalid. It must be an Avro record: {"type": "record", ...}.')
    fields = record.get("fields")
    if not isinstance(fields, list) or not fields:
        raise invalid_input("The schema is invalid. The record must have a list of fields that is not empty.")
    return record


def _dataset_type(record: Mapping[str, Any], domain: str | None) -> DatasetType:
    """Return the dataset type that the record's name stands for."""
    if domain not in DATASET_TYPES:
        known = ", ".join(name for name in DATASET_TYPES if name)
        raise invalid_input(f"The domain {domain} is not one of {known}.")
    name = record.get("name")
    custom = {of_type.record.casefold(): of_type.name for of_type in DATASET_TYPES[None].values()}
    found = custom.get(name.casefold()) if isinstance(name, str) else None
    if found is None:
        known = ", ".join(of_type.record for of_type in DATASET_TYPES[None].values())
        raise invalid_input(
            f"The schema is invalid. The record's name {_shown(name)} must be one of {known}."
        )
    if found not in DATASET_TYPES[domain]:
        raise invalid_input(
            f"The schema is invalid. Datasets of type {found} are not allowed in the domain {domain}."
        )
    return DATASET_TYPES[domain][found]


def _field(declared: object, place: int, faults: list[str]) -> Field | None:
    """Return one field, or None and say in ``faults`` why it is none."""
    if not isinstance(declared, dict):
        faults.append(f"Field {place} must be an object with a name and a type.")
        return None
    name = declared.get("name")
    if not isinstance(name, str) or not FIELD_NAME.fullmatch(name):
        faults.append(f"Field {place}: the name {_shown(name)} must be letters, digits and underscores.")
        return None
    found = _type(declared.get("type"))
    if isinstance(found, str):
        faults.append(f"Field {name}: {found}")
        return None
    avro_type, nullable = found
    uses = {}
    for member, use in _USES.items():
        given = declared.get(member, False)
        if not isinstance(given, bool):
            faults.append(f"Field {name}: {member} must be true or false, not {_shown(given)}.")
        uses[use] = given is True
    return Field(name, avro_type, nullable, **uses)


def _type(declared: object) -> tuple[str, bool] | str:
    """Return a field's type and whether it allows null, or what is wrong with it."""
    branches: list[Any] = declared if isinstance(declared, list) else [declared]
    allowed = ", ".join([*SQL_TYPES, "null"])
    for branch in branches:
        if not isinstance(branch, str):
            return f"the type {_shown(branch)} is not allowed, schemas are flat. Use {allowed}."
        if branch not in SQL_TYPES and branch != "null":
            return f"the type {_shown(branch)} is not one of {allowed}."
    others = [branch for branch in branches if branch != "null"]
    if len(branches) != len(set(branches)) or len(others) != 1:
        return f"the type {_shown(declared)} must be one type, alone or together with null."
    return others[0], "null" in branches


def _broken_rules(fields: Sequence[Field], of_type: DatasetType) -> Iterator[str]:
    """Yield a text for every rule that the fields break together or against their dataset type."""
    yield from _name_faults(fields, of_type)
    by_name = {field.name: field for field in fields}
    missing = [word.name for word in of_type.keywords.values() if word.required and word.name not in by_name]
    if missing:
        yield f"The required fields are missing: [{', '.join(missing)}]."
    for field in fields:
        word = of_type.keywords.get(field.name)
        if word is not None:
            yield from _keyword_faults(field, word)
        yield from _use_faults(field, of_type)
    textual = [field.name for field in fields if field.textual]
    if of_type.textual_allowed and len(textual) > 1:
        yield f"Only one field can be textual, not {', '.join(textual)}."
    named = [field.name for field in fields if field.item_name]
    if len(named) > 1:
        yield f"Only one field can be itemName, not {', '.join(named)}."
    yield from _count_faults(fields, of_type)


def _name_faults(fields: Sequence[Field], of_type: DatasetType) -> Iterator[str]:
    """Yield the faults of names that are the same, or nearly a reserved one."""
    first: dict[str, str] = {}
    reserved = {folded(name): name for name in of_type.keywords}
    for field in fields:
        key = folded(field.name)
        if key in first:
            yield (
                f"The fields {first[key]} and {field.name} have the same name: "
                "names must be unique, underscores and case do not count."
            )
        elif reserved.get(key, field.name) != field.name:
            yield f"Field {field.name}: this reserved keyword must be spelled {reserved[key]}."
        first.setdefault(key, field.name)


def _keyword_faults(field: Field, word: Keyword) -> Iterator[str]:
    """Yield the faults of a field with a reserved name."""
    if field.type not in word.types:
        yield f"Field {field.name}: this reserved keyword must be of type {' or '.join(word.types)}."
        return
    if field.nullable and not word.nullable:
        yield f"Field {field.name} is required and cannot be null."
    if word.use == "plain" and field.categorical:
        yield f"Field {field.name}: this reserved keyword cannot be categorical."
    if word.use == "plain" and field.textual:
        yield f"Field {field.name}: this reserved keyword cannot be textual."
    if word.use == "categorical" and not field.categorical:
        yield f"Field {field.name}: this reserved keyword must be categorical."
    if word.use == "textual" and not field.textual:
        yield f"Field {field.name}: this reserved keyword must be textual."


def _use_faults(field: Field, of_type: DatasetType) -> Iterator[str]:
    """Yield the faults of a field that is categorical or textual and may not be."""
    if field.categorical and field.type != "string":
        yield f"Field {field.name}: only a string can be categorical."
    if field.textual and field.type != "string":
        yield f"Field {field.name}: only a string can be textual."
    if field.textual and not of_type.textual_allowed:
        yield f"Field {field.name}: only schemas for Items can have a textual field."
    if field.item_name and (field.type != "string" or of_type.identity != "ITEM_ID"):
        yield f"Field {field.name}: only a string of a schema for Items can be itemName."
    if field.textual and field.categorical:
        yield f"Field {field.name} cannot be both categorical and textual."


def _count_faults(fields: Sequence[Field], of_type: DatasetType) -> Iterator[str]:
    """Yield the faults of too few or too many metadata fields."""
    count = sum(
        field.name not in of_type.keywords or of_type.keywords[field.name].is_metadata for field in fields
    )
    if count < of_type.minimum_metadata:
        yield (
            f"A schema for {of_type.record} must have at least {of_type.minimum_metadata} metadata field "
            "beside the required and reserved ones."
        )
    if count > of_type.maximum_metadata:
        yield (
            f"A schema for {of_type.record} can have at most {of_type.maximum_metadata} metadata fields "
            f"beside the required and reserved ones, not {count}."
        )


def _shown(value: object) -> str:
    """Return a value as JSON, shortened for a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
