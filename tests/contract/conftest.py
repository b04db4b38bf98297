"""One suite, every database and every storage.

SQLite in a file and a real PostgreSQL, which a Python package brings; a folder and a small S3 service.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from s3_server import S3Server
from sartor.compute.here import Here
from sartor.data import s3
from sartor.data.blobs import Blobs, open_storage
from sartor.data.put import Row
from sartor.errors import ApiError, JobFailed
from sartor.resources import lifecycle
from sartor.resources.control import OPERATIONS, Control
from sartor.resources.kinds import LANES
from sartor.resources.store import Store
from sartor.wire.handling import bound
from sartor.work.tools import Tools

ACCOUNT = "111122223333"
REGION = "eu-central-1"

FIELDS = {
    "Interactions": [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long")],
    "Items": [("ITEM_ID", "string"), ("PRICE", "float")],
    "Users": [("USER_ID", "string"), ("AGE", "int")],
    "Actions": [("ACTION_ID", "string"), ("COST", "float")],
    "ActionInteractions": [
        ("USER_ID", "string"),
        ("ACTION_ID", "string"),
        ("EVENT_TYPE", "string"),
        ("TIMESTAMP", "long"),
    ],
}
DATASET_TYPES = {
    "Interactions": "INTERACTIONS",
    "Items": "ITEMS",
    "Users": "USERS",
    "Actions": "ACTIONS",
    "ActionInteractions": "ACTION_INTERACTIONS",
}


#: The columns that most of what is built on a group may want.
MORE_FIELDS: dict[str, Sequence[tuple[Any, ...]]] = {
    "Interactions": [("EVENT_TYPE", "string"), ("EVENT_VALUE", ["float", "null"])],
    "Items": [("GENRE", "string"), ("STOCK", ["int", "null"])],
    "Users": [],
}


def recipe_arn(name: str = "aws-user-personalization") -> str:
    return f"arn:aws:personalize:::recipe/{name}"


def schema_text(name: str, *more: tuple[Any, ...]) -> str:
    fields = [{"name": field_name, "type": of_type} for field_name, of_type in (*FIELDS[name], *more)]
    record = {"type": "record", "name": name, "namespace": "com.amazonaws.personalize.schema"}
    return json.dumps({**record, "fields": fields, "version": "1.0"})


_numbers = itertools.count()


@contextmanager
def empty_database(sort: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database of a sort, ``sqlite`` or ``postgresql``."""
    if sort == "sqlite":
        yield f"sqlite:///{tmp_path / 'sartor.db'}"
        return
    server = sa.make_url(request.getfixturevalue("postgres_url")).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    name = f"sartor_{next(_numbers)}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = server.set(drivername="postgresql", database=name)
    yield url.render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give an empty database of each sort."""
    with empty_database(request.param, request, tmp_path) as url:
        yield url


@pytest.fixture(params=["folder", "s3"])
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Blobs]:
    """Give an empty storage of each sort."""
    if request.param == "folder":
        yield open_storage(str(tmp_path / "storage"), None, tmp_path / "scratch")
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    s3.standard_credentials.cache_clear()
    with S3Server() as server:
        yield open_storage("s3://bucket/prefix", server.url, tmp_path / "scratch")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store.open(database_url)
    yield opened
    opened.close()


@dataclass(frozen=True)
class Caller:
    """Who asks, as the wire makes him out."""

    account: str = ACCOUNT
    region: str = REGION
    access_key_id: str = "AKIDEXAMPLE"
    principal: None = None
    request: None = None


@dataclass(frozen=True)
class File:
    uri: str
    size_bytes: int
    etag: str = "e"


@dataclass
class Files:
    """Training data in memory, behind the interface of ``sartor.data.sources.Sources``."""

    contents: dict[str, bytes] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    before_list: Callable[[], None] = lambda: None

    def of(self, account: str, role_arn: str | None = None) -> "Files":
        """Return what an account reaches: all of it."""
        return self

    def list(self, location: str) -> "list[File]":
        self.listed.append(location)
        self.before_list()
        if "secret" in location:
            raise JobFailed("Insufficient privileges for accessing data in S3.")
        found = [File(uri, len(data)) for uri, data in self.contents.items() if uri.startswith(location)]
        if not location or not found:
            raise JobFailed("Invalid Data location.")
        return found

    list_csv = list

    def list_prefix(self, location: str, nothing_there: str) -> "list[File]":
        found = [File(uri, len(data)) for uri, data in self.contents.items() if uri.startswith(location)]
        if not found:
            raise JobFailed(nothing_there)
        return found

    def require_writable(self, location: str, nothing_there: str = "") -> None:
        """Let everything be written but in one bucket."""
        if location.startswith("s3://nobodys/"):
            raise JobFailed(nothing_there)

    def read_range(self, file: File, start: int, length: int) -> bytes:
        return self.contents[file.uri][start : start + length]


@dataclass
class Service:
    """A control plane with its operations as methods: ``service("CreateSchema", name=…)``."""

    store: Store
    files: Files
    quotas_on: bool = True
    caller: Caller = field(default_factory=Caller)
    clock: Callable[[], float] | None = None

    def __post_init__(self) -> None:
        moments = itertools.count(1_700_000_000)
        self.control = Control(
            self.store, self.quotas_on, self.files, self.clock or (lambda: float(next(moments)))
        )
        self.handlers = {name: one.handler for name, one in bound(OPERATIONS, self.control).items()}

    def __call__(self, operation: str, caller: Caller | None = None, **request: Any) -> dict[str, Any]:
        return self.handlers[operation](caller or self.caller, request)

    def refusal(self, operation: str, caller: Caller | None = None, **request: Any) -> ApiError:
        with pytest.raises(ApiError) as refused:
            self(operation, caller, **request)
        return refused.value

    def work(self, outcome: Mapping[str, str] | None = None) -> None:
        """Do all work that is owed; ``outcome`` gives the reason for each ARN that shall fail."""
        while task := lifecycle.claim(self.store, "worker", LANES, 1e10, 60.0):
            if outcome and task.arn in outcome:
                assert lifecycle.fail(self.store, task, outcome[task.arn])
            else:
                assert lifecycle.finish(self.store, task)

    def group(self, name: str = "shop", caller: Caller | None = None, **request: Any) -> str:
        """Return the ARN of a new dataset group that is active."""
        answer = self("CreateDatasetGroup", caller, name=name, **request)
        self.work()
        return str(answer["datasetGroupArn"])

    def schema(
        self, of: str = "Interactions", name: str | None = None, caller: Caller | None = None, **request: Any
    ) -> str:
        """Return the ARN of a new schema."""
        request = {"name": name or of, "schema": schema_text(of)} | request
        return str(self("CreateSchema", caller, **request)["schemaArn"])

    def dataset(
        self, of: str = "Interactions", group: str | None = None, caller: Caller | None = None
    ) -> str:
        """Return the ARN of a new dataset that is active, in a new group if none is given."""
        group_arn = group or self.group(caller=caller)
        answer = self(
            "CreateDataset",
            caller,
            name="data",
            datasetGroupArn=group_arn,
            schemaArn=self.schema(of, f"{of}-{group_arn.rpartition('/')[2]}", caller),
            datasetType=DATASET_TYPES[of],
        )
        self.work()
        return str(answer["datasetArn"])

    def data_group(
        self, caller: Caller | None = None, name: str = "shop", **columns: Sequence[tuple[Any, ...]]
    ) -> str:
        """Return the ARN of a new group with item interactions that have events, items and users, all active.

        Args:
            caller: whose.
            name: of the group.
            **columns: more columns of the schemas, by the record's name.
        """
        group = self.group(name, caller)
        for of, more in (MORE_FIELDS | columns).items():
            schema = self.schema(of, f"{of}-{name}", caller, schema=schema_text(of, *more))
            members = {"datasetGroupArn": group, "schemaArn": schema, "datasetType": DATASET_TYPES[of]}
            self("CreateDataset", caller, name="data", **members)
        self.work()
        self.put_interaction(group)
        return group

    def solution(
        self, group: str | None = None, name: str = "sol", caller: Caller | None = None, **request: Any
    ) -> str:
        """Return the ARN of a new solution that is active, in a new group if none is given."""
        recipe = {} if request.get("performAutoML") else {"recipeArn": recipe_arn()}
        request = {"datasetGroupArn": group or self.data_group(caller), "name": name, **recipe} | request
        answer = self("CreateSolution", caller, **request)
        self.work()
        return str(answer["solutionArn"])

    def version(self, solution: str | None = None, caller: Caller | None = None, **request: Any) -> str:
        """Return the ARN of a new solution version that is active, of a new solution if none is given."""
        arn = solution or self.solution(caller=caller)
        answer = self("CreateSolutionVersion", caller, solutionArn=arn, **request)
        self.work()
        return str(answer["solutionVersionArn"])

    def put_interaction(self, group: str) -> None:
        """Put one interaction into a group: nothing is trained without any."""
        dataset = self.store.get(group.replace(":dataset-group/", ":dataset/") + "/INTERACTIONS")
        if dataset is not None:
            row = Row("u", {"USER_ID": "u", "ITEM_ID": "i", "TIMESTAMP": 1})
            self.store.put_records.put(dataset.seq, [row]).result()

    def campaign(
        self, version: str | None = None, name: str = "c", caller: Caller | None = None, **request: Any
    ) -> str:
        """Return the ARN of a new campaign that is active, of a new solution version if none is given."""
        members = {"name": name, "solutionVersionArn": version or self.version(caller=caller)} | request
        answer = self("CreateCampaign", caller, **members)
        self.work()
        return str(answer["campaignArn"])

    def described(self, noun: str, arn: str, caller: Caller | None = None) -> dict[str, Any]:
        """Return what a Describe operation shows: ``described("Solution", arn)``."""
        member = noun[0].lower() + noun[1:]
        return dict(self(f"Describe{noun}", caller, **{f"{member}Arn": arn})[member])

    def job(self, dataset: str, name: str = "job", caller: Caller | None = None, **request: Any) -> str:
        """Return the ARN of a new import job of good files, that waits."""
        location = f"s3://bucket/{name}.csv"
        self.files.contents[location] = ALL_COLUMNS
        source = {"dataLocation": location}
        request = {"jobName": name, "datasetArn": dataset, "dataSource": source} | request
        return str(self("CreateDatasetImportJob", caller, **request)["datasetImportJobArn"])


def make_tools(store: Store, storage: Blobs, scratch: Path, **more: Any) -> Tools:
    """Return a job's tools, without what no test here touches."""
    values: dict[str, Any] = dict.fromkeys(Tools.__dataclass_fields__)
    values |= {"store": store, "storage": storage, "scratch": scratch, "memory_bytes": 10**8}
    values |= {
        "compute": Here(),
        "lease_seconds": 15.0,
        "drain_seconds": 30.0,
        "history_days": 30.0,
        "quotas_on": True,
    }
    return Tools(**values | more)


ALL_COLUMNS = b"user_id,item_id,timestamp,price,age,action_id,cost,event_type,event_value,genre,stock\n"


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def service(store: Store, files: Files) -> Service:
    return Service(store, files)


@pytest.fixture
def service_without_quotas(store: Store, files: Files) -> Service:
    return Service(store, files, quotas_on=False)


@pytest.fixture
def stranger() -> Caller:
    """Give a caller of another account."""
    return Caller(account="444455556666")


@pytest.fixture
def elsewhere() -> Caller:
    """Give the same account in another region."""
    return Caller(region="us-west-2")


@pytest.fixture
def caller_in() -> Callable[[str], Caller]:
    """Give a maker of callers of the one account in any region."""
    return lambda region: Caller(region=region)
