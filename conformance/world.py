"""What a run has: a server, boto3's clients of it, and one resource of each kind, made when it is asked for."""

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from conformance import answers, data
from sartor.demo.server import Server
from sartor.resources.kinds import KINDS, Kind
from sartor.wire import operations
from sartor.wire.operations import SERVICES, Operation

Request = dict[str, Any]
Found = TypeVar("Found")
#: Gives the request that creates a resource, but for its name.
Make = Callable[["World"], Request]

BUCKET: Final = "conformance"
ROLE: Final = "arn:aws:iam::000000000000:role/conformance"
TAG: Final = {"tagKey": "team", "tagValue": "shop"}
SETTLED: Final = ("ACTIVE", "INACTIVE", "CREATE FAILED", "CREATE STOPPED", "COMPLETED", "FAILED")
WAIT_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.02


class World:
    """One server and what is on it.

    Args:
        server: that is asked; it must serve ``bucket`` as ``BUCKET``, without quotas.
        bucket: a folder.
        makes: how each kind is created, by its name.

    Attributes:
        requests: what the shared resource of each kind was created with, by the kind's name.
        flaws: what was wrong with answers.
        answered: the operations that have answered well.
    """

    def __init__(self, server: Server, bucket: Path, makes: dict[str, Make]) -> None:
        self._server = server
        self._bucket = bucket
        self._makes = makes
        self._made: dict[str, str] = {}
        self.requests: dict[str, Request] = {}
        self._names = 0
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        self.operations = {one.name: one for one in operations.load().all}
        self.flaws: list[str] = []
        self.answered: set[str] = set()

    @cached_property
    def _clients(self) -> dict[str, Any]:
        clients = {service: self._server.client(service) for service in SERVICES}
        for client in clients.values():
            client.meta.events.register("before-parse", self._look)
        return clients

    def _look(self, operation_model: Any, response_dict: Any, **_: Any) -> None:
        """Compare an answer with the model before boto3 reads it."""
        status = response_dict["status_code"]
        found = answers.flaws_of(operation_model, status, response_dict["headers"], response_dict["body"])
        self.flaws += [f"{operation_model.name}: {flaw}" for flaw in found]
        if status == 200:
            self.answered.add(operation_model.name)

    def ask(self, operation: str, **request: Any) -> Request:
        """Return what boto3 says to a call; ``ClientError`` is raised as boto3 raises it."""
        client = self._clients[self.operations[operation].service]
        found: Request = getattr(client, xform_name(operation))(**request)
        found.pop("ResponseMetadata")
        return found

    def refused(self, operation: str, code: str, **request: Any) -> str:
        """Ask what must be refused with this code; return the message."""
        try:
            answer = self.ask(operation, **request)
        except ClientError as error:
            told = error.response["Error"]
            assert told["Code"] == code, f"refused with {told['Code']}, not {code}: {told['Message']}"
            return str(told["Message"])
        raise AssertionError(f"not refused with {code}, but answered: {answer}")

    def post(self, operation: Operation, request: Request) -> tuple[int, Request]:
        """Return HTTP status and members of a call that boto3 would not send: signed, as it is."""
        environment = self._server.environment
        control = operation.protocol == "json"
        headers = {"Content-Type": f"application/{'x-amz-json-1.1' if control else 'json'}"}
        if control:
            headers["X-Amz-Target"] = f"AmazonPersonalize.{operation.name}"
        body = json.dumps(request)
        signed = AWSRequest("POST", self._server.url + operation.path, data=body, headers=headers)
        key = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
        SigV4Auth(key, "personalize", environment["AWS_DEFAULT_REGION"]).add_auth(signed)
        self._connection.request("POST", operation.path, body, dict(signed.headers.items()))
        response = self._connection.getresponse()
        text = response.read()
        found = answers.flaws_of(operation.model, response.status, response.headers, text)
        self.flaws += [f"{operation.name}: {flaw}" for flaw in found]
        return response.status, json.loads(text) if text else {}

    def name(self, word: str) -> str:
        """Return a name that nothing has yet."""
        self._names += 1
        return f"{word}-{self._names}"

    def made(self, kind: str) -> str:
        """Return the ARN of the one resource of a kind that all share."""
        if kind not in self._made:
            self.requests[kind] = self.request(kind)
            self._made[kind] = self.create(kind, **self.requests[kind])
        return self._made[kind]

    def has(self, kind: str) -> bool:
        """Return whether the shared resource of a kind is there."""
        return kind in self._made

    def forget(self, kind: str) -> None:
        """Let the shared resource of a kind be another from now on."""
        del self._made[kind]

    def request(self, kind: str) -> Request:
        """Return a request that creates one of a kind under a name that is free."""
        named = {KINDS[kind].name_member: self.name(kind)}
        return {**named, **self._makes[kind](self), **({"tags": [TAG]} if KINDS[kind].taggable else {})}

    def create(self, kind: str, **request: Any) -> str:
        """Create one of a kind, wait until it has settled well, and return its ARN."""
        of = KINDS[kind]
        arn = str(self.ask(f"Create{of.noun}", **request)[of.arn_member])
        status = self.settled(of, arn).get("status", "ACTIVE")
        assert status in ("ACTIVE", "COMPLETED"), self.described(of, arn)
        return arn

    def another(self, kind: str, **more: Any) -> str:
        """Create one more of a kind, with other members than the shared one's."""
        return self.create(kind, **self.request(kind) | more)

    def described(self, kind: Kind, arn: str) -> Request:
        """Return what the Describe operation shows."""
        found: Request = self.ask(f"Describe{kind.noun}", **{kind.arn_member: arn})[kind.member]
        return found

    def settled(self, kind: Kind, arn: str) -> Request:
        """Return what the Describe operation shows, and its newest update too, once nothing goes on any more."""

        def look() -> Request | None:
            found = self.described(kind, arn)
            going_on = (found, found.get(kind.update_member, {}))
            return found if all(one.get("status", "ACTIVE") in SETTLED for one in going_on) else None

        return self.until(look)

    def gone(self, kind: Kind, arn: str) -> None:
        """Return once a resource is not found any more."""

        def look() -> bool | None:
            try:
                self.described(kind, arn)
            except ClientError as error:
                assert error.response["Error"]["Code"] == "ResourceNotFoundException", error
                return True
            return None

        self.until(look)

    @staticmethod
    def until(look: Callable[[], Found | None]) -> Found:
        """Return what a look finds as soon as it finds something."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            found = look()
            if found is not None:
                return found
            time.sleep(_LOOK_SECONDS)
        raise AssertionError(f"it took longer than {WAIT_SECONDS:.0f} s")

    def write(self, key: str, text: str) -> str:
        """Write a file into the bucket and return its location."""
        place = self._bucket / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        return f"s3://{BUCKET}/{key}"

    def text_below(self, folder: str) -> str:
        """Return the text of all files of a folder of the bucket, in the order of their names."""
        return "".join(
            place.read_text(encoding="utf-8") for place in sorted((self._bucket / folder).rglob("*.csv"))
        )

    def read(self, location: str) -> str:
        """Return the text of a file of the bucket."""
        return (self._bucket / location.removeprefix(f"s3://{BUCKET}/")).read_text(encoding="utf-8")

    # What several kinds are made from

    @cached_property
    def shop(self) -> "Group":
        """A custom dataset group with data in all five datasets."""
        return Group(self, None)

    @cached_property
    def store(self) -> "Group":
        """A dataset group of the domain ECOMMERCE with data."""
        return Group(self, "ECOMMERCE")

    @cached_property
    def empty_dataset(self) -> str:
        """A dataset of interactions that nothing was ever imported into."""
        group, schema = self.another("dataset-group"), self.another("schema")
        return self.another("dataset", datasetGroupArn=group, schemaArn=schema)

    @property
    def tracking_id(self) -> str:
        """The tracking id of the shared event tracker."""
        return str(self.described(KINDS["event-tracker"], self.made("event-tracker"))["trackingId"])

    def version(self, recipe: str) -> str:
        """Return the ARN of a solution version of a recipe, trained at its first use."""
        if recipe not in self._made:
            solution = self.another("solution", recipeArn=f"arn:aws:personalize:::recipe/{recipe}")
            self._made[recipe] = self.another("solution-version", solutionArn=solution)
        return self._made[recipe]

    def campaign(self, recipe: str) -> str:
        """Return the ARN of a campaign of a recipe."""
        key = f"campaign of {recipe}"
        if key not in self._made:
            self._made[key] = self.another("campaign", solutionVersionArn=self.version(recipe))
        return self._made[key]


class Group:
    """A dataset group with its datasets, filled.

    Args:
        world: where it is.
        domain: of the group.

    Attributes:
        arn: its ARN.
        datasets: the ARNs of its datasets by type.
    """

    def __init__(self, world: World, domain: str | None) -> None:
        of_domain = {} if domain is None else {"domain": domain}
        self.arn = world.another("dataset-group", **of_domain)
        self.datasets: dict[str, str] = {}
        for of_type, (schema, rows) in data.DATASETS[domain].items():
            schema_arn = world.another("schema", schema=json.dumps(schema), **of_domain)
            dataset = world.another(
                "dataset", datasetGroupArn=self.arn, schemaArn=schema_arn, datasetType=of_type
            )
            location = world.write(f"{world.name(of_type)}.csv", rows)
            world.another("dataset-import-job", datasetArn=dataset, dataSource={"dataLocation": location})
            self.datasets[of_type] = dataset


@contextmanager
def served(folder: Path, makes: dict[str, Make]) -> Iterator[World]:
    """Give a world on a fresh server below a folder; sequence models are off, so that trainings take a second."""
    bucket = folder / "bucket"
    bucket.mkdir(parents=True)
    before = os.environ.get("SARTOR_SEQUENCE_MODELS")
    os.environ["SARTOR_SEQUENCE_MODELS"] = "off"
    try:
        with Server(folder / "data", {BUCKET: bucket}, ("--quotas", "off")) as server:
            yield World(server, bucket, makes)
    finally:
        os.environ.pop("SARTOR_SEQUENCE_MODELS")
        if before is not None:
            os.environ["SARTOR_SEQUENCE_MODELS"] = before
