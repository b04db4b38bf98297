"""Data, from a file to an import: upload or choose it, see its rows, draft its schema, try it, import it."""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from sartor.console.pages import tables
from sartor.console.pages.jobs import JOB_PATH
from sartor.console.pages.page import Action, Done, Page, Shown, Visit, link
from sartor.errors import ApiError, invalid_input
from sartor.numbers import whole

_ADD: Final = "/console/data/add"
_FILE: Final = "/console/data/file"
_ROWS: Final = 8
_FILES: Final = (tables.Column("uri", "File"), tables.Column("bytes", "Size", end=True))
_TYPES: Final = ("string", "long", "int", "float", "double", "boolean")
_USES: Final = (
    ("plain", "as it is"),
    ("categorical", "categories"),
    ("textual", "text to understand"),
    ("left out", "left out"),
)
#: The records of a schema, as Amazon names them.
_RECORDS: Final = ("Interactions", "Items", "Users", "Actions", "Action_Interactions")
_NAMESPACE: Final = "com.amazonaws.personalize.schema"
#: Stands for a group that is to be made.
_NEW: Final = "new"
_MODES: Final = (("FULL", "Replace what was imported"), ("INCREMENTAL", "Add to what was imported"))


def _show_add(visit: Visit) -> Shown:
    """Show where a file may come from."""
    query = visit.query
    location = query.get("location", "").strip()
    dataset = query.get("dataset", "")
    words: dict[str, Any] = {
        "dataset": dataset,
        "upload": secrets.token_hex(16),
        "location": location,
        "buckets": visit.asks.get("files")["buckets"],
        "files": None,
    }
    if location:
        found = visit.asks.get("files", location=location, limit=tables.PAGE_ROWS)
        rows = [{**one, "to": link(_FILE, location=one["uri"], dataset=dataset)} for one in found["files"]]
        words["files"] = tables.Table(f"Files below {location}", _FILES, rows, "No file's key begins so.")
        words["more"] = found["more"]
    return Shown("data_add.html", words)


def _keep_slice(visit: Visit) -> Done:
    visit.asks.send(
        visit.request.body,
        *("uploads", "slice"),
        upload=visit.query.get("upload", ""),
        at=visit.query.get("at", ""),
    )
    return Done("")


def _finish(visit: Visit) -> Done:
    form = visit.form
    size_bytes = whole(form.get("bytes", ""), 0, 2**62)
    if size_bytes is None:
        raise invalid_input("Choose a file first.")
    found = visit.asks.post(
        *("uploads", "finish"), upload=form.get("upload", ""), name=form.get("name", ""), bytes=size_bytes
    )
    to = link(_FILE, location=found["uri"], dataset=form.get("dataset", ""))
    return Done(to, f"It is uploaded: {found['uri']}")


def _show_file(visit: Visit) -> Shown:
    """Show a file's first rows, and what it may become."""
    return _file(visit, None)


def _file(visit: Visit, report: Mapping[str, Any] | None) -> Shown:
    """Return the page of a file, perhaps with the report of a dry run."""
    location = visit.wanted("location")
    arn = visit.query.get("dataset", "")
    rows = visit.asks.get("files", "rows", location=location, limit=_ROWS)
    words: dict[str, Any] = {
        "location": location,
        "arn": arn,
        "rows": rows,
        "report": report,
        "modes": _MODES,
        "role": f"arn:aws:iam::{visit.caller.account}:role/sartor",
        "same": _lines(visit, location, arn),
    }
    if arn:
        dataset = visit.asks.call("DescribeDataset", datasetArn=arn)["dataset"]
        kind = dataset["datasetType"]
        return Shown("data_file.html", {**words, "dataset": dataset, "job": _unique(kind)})
    groups = visit.asks.call("ListDatasetGroups", maxResults=100)["datasetGroups"]
    group = visit.query.get("group") or (groups[0]["datasetGroupArn"] if groups else _NEW)
    fields, record, notes = _drafted(visit, location, _domain(visit, group))
    words |= {
        "dataset": None,
        "group": group,
        "groups": [*((one["datasetGroupArn"], one["name"]) for one in groups), (_NEW, "a new group")],
        "fields": fields,
        "record": record,
        "records": [(name, name) for name in _RECORDS],
        "types": _TYPES,
        "uses": _USES,
        "notes": notes,
    }
    return Shown("data_file.html", {**words, "job": _unique(record)})


def _unique(name: str) -> str:
    """Return a name that nothing else has: with the second at its end."""
    return f"{name[:40].lower().replace('_', '-')}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"


def _domain(visit: Visit, group: str) -> str | None:
    if group == _NEW:
        return None
    found = visit.asks.call("DescribeDatasetGroup", datasetGroupArn=group)["datasetGroup"]
    domain: str | None = found.get("domain")
    return domain


def _drafted(
    visit: Visit, location: str, domain: str | None
) -> tuple[list[dict[str, str]], str, Sequence[str]]:
    """Return the fields of a schema as they were typed, else as they are guessed, its record, and what to know."""
    if "column" in visit.form:
        return _typed(visit), visit.form.get("record", _RECORDS[0]), ()
    try:
        found = visit.asks.get("files", "schema", location=location, domain=domain)
    except ApiError as error:  # no dataset has such columns: which, is for a person to say
        columns = visit.asks.get("files", "rows", location=location, limit=1)["columns"]
        fields = [{"column": name, "type": "string", "null": "no", "use": "plain"} for name in columns]
        return fields, _RECORDS[0], (error.message,)
    fields = [_field(one) for one in found["schema"]["fields"]]
    return fields, found["schema"]["name"].rpartition(".")[2], found["notes"]


def _field(field: Mapping[str, Any]) -> dict[str, str]:
    """Return a field of a schema as the form has it."""
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return {
        "column": field["name"],
        "type": next(one for one in kinds if one != "null"),
        "null": "yes" if "null" in kinds else "no",
        "use": next((use for use in ("categorical", "textual") if field.get(use)), "plain"),
    }


def _typed(visit: Visit) -> list[dict[str, str]]:
    """Return the fields of a schema as they were typed."""
    names = ("column", "type", "null", "use")
    given = (visit.every.get(name, []) for name in names)
    return [dict(zip(names, values, strict=True)) for values in zip_longest(*given, fillvalue="")]


def schema_of(fields: Sequence[Mapping[str, str]], record: str) -> str:
    """Return the JSON of a schema.

    Args:
        fields: each with its ``column``, its ``type``, whether it may be ``null``, and its ``use``.
        record: the name of the record, which says the dataset's type.
    """
    made = []
    for one in fields:
        if one["use"] == "left out":
            continue
        field: dict[str, Any] = {"name": one["column"]}
        field["type"] = ["null", one["type"]] if one["null"] == "yes" else one["type"]
        is_plain = one["use"] == "plain" or one["type"] != "string"  # only texts are used in other ways
        made.append(field if is_plain else {**field, one["use"]: True})
    schema = {"type": "record", "name": record, "namespace": _NAMESPACE, "fields": made, "version": "1.0"}
    return json.dumps(schema)


def _wanted_schema(visit: Visit) -> tuple[str, str | None]:
    """Return the schema that a file is to have, and its domain: the dataset's, else what is typed."""
    arn = visit.query.get("dataset", "")
    if not arn:
        domain = _domain(visit, visit.form.get("group", ""))
        return schema_of(_typed(visit), visit.form.get("record", "")), domain
    dataset = visit.asks.call("DescribeDataset", datasetArn=arn)["dataset"]
    schema = visit.asks.call("DescribeSchema", schemaArn=dataset["schemaArn"])["schema"]
    return schema["schema"], schema.get("domain")


def _check(visit: Visit) -> Done:
    """Try the file, and import nothing."""
    schema, domain = _wanted_schema(visit)
    location = visit.wanted("location")
    report = visit.asks.post("files", "check", location=location, schema=schema, domain=domain)
    return Done("", shown=_file(visit, report))


def _import(visit: Visit) -> Done:
    """Make what is missing, and begin the import."""
    location, arn = visit.wanted("location"), visit.query.get("dataset", "")
    made = "" if arn else _made(visit)
    try:
        job = visit.asks.call("CreateDatasetImportJob", **_job(visit.form, location, arn or made))
    except ApiError as error:
        if not made:
            raise
        said = f"The dataset is made, and the import did not begin: {error.message}"
        return Done(link(_FILE, location=location, dataset=made), said)
    return Done(link(JOB_PATH, arn=job["datasetImportJobArn"]), "The import has begun.")


def _job(form: Mapping[str, str], location: str, dataset: str) -> dict[str, Any]:
    """Return the members of a call that imports a file."""
    return {
        "jobName": form.get("job", "").strip(),
        "datasetArn": dataset,
        "dataSource": {"dataLocation": location},
        "roleArn": form.get("role", "").strip(),
        "importMode": form.get("mode", "FULL"),
    }


def _lines(visit: Visit, location: str, arn: str) -> list[Any]:
    """Return how a program imports the file."""
    typed = {"job": "my-import", "role": f"arn:aws:iam::{visit.caller.account}:role/sartor", **visit.form}
    return [visit.asks.same("CreateDatasetImportJob", **_job(typed, location, arn or "DATASET-ARN"))]


def _made(visit: Visit) -> str:
    """Return the ARN of a new dataset with the typed schema, in a group that is made if there is none."""
    form = visit.form
    group, record = form.get("group", ""), form.get("record", "")
    if group == _NEW:
        name = form.get("newGroup", "").strip()
        if not name:
            raise invalid_input("Name the new group, or choose one.")
        group = visit.asks.call("CreateDatasetGroup", name=name)["datasetGroupArn"]
    domain = _domain(visit, group)
    name = f"{group.rpartition('/')[2][:30]}-{record.lower().replace('_', '-')}"
    schema = visit.asks.call(
        "CreateSchema", name=_unique(name), schema=schema_of(_typed(visit), record), domain=domain
    )["schemaArn"]
    try:
        made: str = visit.asks.call(
            "CreateDataset",
            name=name[:63],
            schemaArn=schema,
            datasetGroupArn=group,
            datasetType=record,
        )["datasetArn"]
    except ApiError:
        visit.asks.call("DeleteSchema", schemaArn=schema)
        raise
    return made


PAGES: Final = (
    Page(_ADD, "Import a file", "Data", _show_add, {"slice": Action(_keep_slice), "finish": Action(_finish)}),
    Page(_FILE, "A file", "Data", _show_file, {"check": Action(_check), "import": Action(_import)}),
)
