"""A recommender that is trained anew in place while it is asked: nothing fails, and nothing is stale once it is done.

Before each round everybody begins with another item; whoever is unknown is recommended that one.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from bench import inputs, jobs, served
from bench.table import Row
from sartor.demo import data

CONNECTIONS = 16
ROUNDS = 2
RECIPE = "arn:aws:personalize:::recipe/aws-ecomm-recommended-for-you"
USERS, ITEMS, HISTORY = 10_000, 2_000, 15
#: How long it is asked while nothing else happens, before and after a training, in seconds.
QUIET_SECONDS = 10.0
AFTER_SECONDS = 3.0
Answers = list[tuple[float, float, int, str]]


def run(quick: bool) -> list[Row]:
    rounds, quiet = (1, 3.0) if quick else (ROUNDS, QUIET_SECONDS)
    users = USERS // 10 if quick else USERS
    failed = stale = asked = 0
    ratios: list[float] = []
    tails: list[tuple[float, float]] = []
    with _linear(), jobs.service(("--quotas", "off")) as (service, _), _folder() as folder:
        interactions = service.dataset("Interactions", served.interactions_schema())
        service.import_file(service.dataset("Items", data.SCHEMAS["Items"]), inputs.items(ITEMS))
        service.import_file(interactions, _everybody_begins_with("top-0", users))
        arn = _recommender(service)
        for number in range(1, rounds + 1):
            service.import_file(interactions, _everybody_begins_with(f"top-{number}", users))
            with _asked(service, arn, folder) as answers:
                time.sleep(quiet)
                begun = time.time()
                _retrain(service, arn, number)
                done = time.time()
                time.sleep(AFTER_SECONDS)
            asked += len(answers)
            failed += sum(status != 200 for _, _, status, _ in answers)
            late = [item for at, _, _, item in answers if at > done]
            stale += sum(item != f"top-{number}" for item in late)
            before, after = ({item for at, _, _, item in answers if at < begun}, set(late))
            print(f"{done - begun:.1f} s to train; answers {before} then {after}", file=sys.stderr)
            calm = _p99([took for at, took, _, _ in answers if at < begun])
            busy = _p99([took for at, took, _, _ in answers if begun <= at])
            ratios.append(busy / calm)
            tails.append((calm, busy))
    ratio = sorted(ratios)[len(ratios) // 2]
    calm, busy = tails[ratios.index(ratio)]
    return [
        Row(
            f"a recommender trained anew in place, {CONNECTIONS} connections: failed answers, and stale ones",
            f"{failed} failed, {stale} stale of {asked:,}",
            "",
            f"{failed} and {stale}",
            "0 and 0",
            failed == stale == 0,
        ),
        Row(
            "the same, 99th percentile while it is trained and replaced",
            f"{busy * 1000:.2f} ms",
            f"the quiet one: {calm * 1000:.2f} ms",
            f"{ratio:.1f} ×",
            "≤ 2 ×",
            ratio <= 2,
        ),
    ]


@contextmanager
def _linear() -> Iterator[None]:
    """Let the server train the linear model: a sequence model would take longer than all rounds."""
    before = os.environ.get("SARTOR_SEQUENCE_MODELS")
    os.environ["SARTOR_SEQUENCE_MODELS"] = "off"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SARTOR_SEQUENCE_MODELS"]
        else:
            os.environ["SARTOR_SEQUENCE_MODELS"] = before


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(dir=inputs.folder()) as kept:
        yield Path(kept)


def _everybody_begins_with(item: str, users: int) -> Path:
    """Write interactions of users who begin with one item and go on with any."""
    path = inputs.folder() / f"retrain-{users}-{item}.csv"
    if not path.exists():
        rng = np.random.default_rng(int(item.rpartition("-")[2]))
        later = (ITEMS * rng.random((users, HISTORY)) ** 2).astype(int)
        lines = [",".join(inputs.COLUMNS)]
        for user in range(users):
            lines.append(f"user-{user},{item},View,,1700000000")
            lines += [
                f"user-{user},item-{one},View,,{1700000060 + step}" for step, one in enumerate(later[user])
            ]
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text("\n".join(lines) + "\n")
        unfinished.rename(path)
    return path


def _recommender(service: served.Service) -> str:
    made = service.client.create_recommender(
        name="bench",
        datasetGroupArn=service.group,
        recipeArn=RECIPE,
        recommenderConfig={"itemExplorationConfig": {"explorationWeight": "0"}},
    )["recommenderArn"]
    jobs.settled(lambda: _described(service, made))
    return str(made)


def _described(service: served.Service, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = service.client.describe_recommender(recommenderArn=arn)["recommender"]
    return found


def _retrain(service: served.Service, arn: str, number: int) -> None:
    """Ask for other columns, which needs the training that comes by itself every week, and wait until it is done."""
    excluded = {"Items": ["PRICE"] if number % 2 else []}
    service.client.update_recommender(
        recommenderArn=arn,
        recommenderConfig={"trainingDataConfig": {"excludedDatasetColumns": excluded}},
    )
    jobs.settled(lambda: _described(service, arn)["latestRecommenderUpdate"])


@contextmanager
def _asked(service: served.Service, arn: str, folder: Path) -> Iterator[Answers]:
    """Ask as fast as the answers come; what is yielded is filled at the end."""
    requests, stop, file = folder / "requests.json", folder / "stop", folder / "answers"
    stop.unlink(missing_ok=True)
    bodies = [json.dumps({"recommenderArn": arn, "userId": f"nobody-{n}"}) for n in range(2_000)]
    requests.write_text(json.dumps(jobs.signed_posts(service.server, "/recommendations", bodies)))
    port = urlsplit(service.server.url).port
    words = ["127.0.0.1", str(port), str(CONNECTIONS), str(requests), str(stop), str(file)]
    answers: Answers = []
    process = subprocess.Popen([sys.executable, "-m", "bench.watched_load", *words])
    try:
        yield answers
        stop.touch()
        if process.wait(30) != 0:
            raise RuntimeError("the load generator failed")
        answers += [tuple(json.loads(line)) for line in file.read_text().splitlines()]
    finally:
        process.kill()
        process.wait()


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]
