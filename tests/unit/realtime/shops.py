"""A group with items, users and filters, and artifacts of which any recipe answers."""

from pathlib import Path
from typing import Any

import numpy as np

from contract.conftest import Files, Service, make_tools, recipe_arn
from sartor.data.blobs import FolderBlobs
from sartor.data.ids import Ids
from sartor.data.put import Row
from sartor.data.training import TrainingRows
from sartor.models.base import Model
from sartor.models.blend import BlendModel
from sartor.models.mixing import Part
from sartor.models.popularity import Config as PopularityConfig
from sartor.models.popularity import PopularityModel
from sartor.models.sequence import Config, SequenceModel
from sartor.realtime import artifact
from sartor.realtime.deployments import Deployment
from sartor.realtime.trained import trained_of
from sartor.realtime.version import load
from sartor.recipes import BY_ARN
from sartor.resources.store import Resource, Store

UP, UP2, RANKING = "aws-user-personalization", "aws-user-personalization-v2", "aws-personalized-ranking"
#: Artifacts that know the best items of each user.
HEADS, BLEND_HEADS = "heads", "blend-heads"
SERVING = BY_ARN[recipe_arn(UP)].serving
ITEMS, USERS, WIDTH = 2_300, 60, 8
TYPES = ("view", "buy")
GENRES = ("comedy", "drama", "comedy|drama")
NEWEST = 1_700_000_000
RNG = np.random.default_rng(8)
FILTERS = {
    "metadata": 'INCLUDE ItemID WHERE Items.GENRE IN ("comedy")',
    "values": "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE) | EXCLUDE ItemID WHERE Items.PRICE > $PRICE",
    "narrow": "INCLUDE ItemID WHERE Items.PRICE < 8",
    "nothing": "INCLUDE ItemID WHERE Items.PRICE < 0",
    "had": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
    "bought": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("BUY") | EXCLUDE ItemID WHERE Items.PRICE > 1000',
    "again": 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")',
    "not-bought": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ("buy")',
    "old": "INCLUDE ItemID WHERE Items.PRICE < 500 IF CurrentUser.AGE > 30",
}


def name_of(item: int) -> str:
    return f"item-{item}"


def model_of(kind: str) -> Model:
    """Return a model of random weights, or the blend of it with what is popular."""
    config = Config(d=WIDTH, heads=2, layers=1, window=20, epochs=1, lr=1e-3)

    def noise(*shape: int) -> Any:
        return RNG.standard_normal(shape).astype(np.float32)

    arrays = {
        "items": noise(ITEMS, WIDTH),
        "bias": noise(ITEMS),
        "start": noise(WIDTH),
        "norm.gain": np.ones(WIDTH, np.float32),
        "norm.shift": np.zeros(WIDTH, np.float32),
        "0.norm1.gain": np.ones(WIDTH, np.float32),
        "0.norm1.shift": np.zeros(WIDTH, np.float32),
        "0.qkv.weight": noise(WIDTH, 3 * WIDTH),
        "0.qkv.shift": noise(3 * WIDTH),
        "0.near": noise(2, 20),
        "0.out.weight": noise(WIDTH, WIDTH),
        "0.out.shift": noise(WIDTH),
        "0.norm2.gain": np.ones(WIDTH, np.float32),
        "0.norm2.shift": np.zeros(WIDTH, np.float32),
        "0.up.weight": noise(WIDTH, 2 * WIDTH),
        "0.up.shift": noise(2 * WIDTH),
        "0.down.weight": noise(2 * WIDTH, WIDTH),
        "0.down.shift": noise(WIDTH),
    }
    sequence = SequenceModel(config, arrays)
    if kind in ("logits", HEADS):
        return sequence
    popular = PopularityModel(PopularityConfig(), RNG.integers(0, 900, ITEMS).astype(np.float32))
    return BlendModel((Part("sequence", 0.8, sequence), Part("popularity", 0.2, popular)))


def rows_of() -> TrainingRows:
    """Return histories of different lengths, one of them longer than filters look at."""
    lengths = RNG.integers(0, 60, USERS)
    lengths[3] = 400
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n = int(offsets[-1])
    item = RNG.integers(0, ITEMS, n).astype(np.int32)
    time = np.concatenate([np.sort(NEWEST - RNG.integers(0, 200, length)) for length in lengths])
    time[-1] = NEWEST
    return TrainingRows(
        users=Ids.of([f"user-{number}" for number in range(USERS)]),
        items=Ids.of([name_of(number) for number in range(ITEMS)]),
        offsets=offsets,
        item=item,
        time=time.astype(np.int64),
        weight=np.ones(n, np.float32),
        seen_offsets=offsets,
        seen_item=item,
        seen_type=RNG.integers(0, 2, n).astype(np.int16),
        seen_time=time.astype(np.int64),
        event_types=TYPES,
        tokens=np.zeros(0, np.int32),
        token_offsets=np.zeros(ITEMS + 1, np.int64),
        token_names=(),
    )


class Shop:
    """A group with items, users and filters, and artifacts of which any recipe answers."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(f"sqlite:///{folder / 'sartor.db'}")
        self.service = Service(self.store, Files(), quotas_on=False)
        self.group = self.service.data_group(name="bulk")
        self.tools = make_tools(self.store, FolderBlobs(folder / "storage"), folder)
        self.put("ITEMS", [self.item(number) for number in range(ITEMS + 20)])
        ages = [{"USER_ID": f"user-{number}", "AGE": number} for number in range(USERS)]
        self.put("USERS", [Row(str(one["USER_ID"]), one) for one in ages])
        rows = rows_of()
        number = self.store.put_records.newest(self._dataset("INTERACTIONS").seq)
        record = {
            "tables": {"INTERACTIONS": {"bulkVersion": -1, "putNumber": number}},
            "eventTypes": list(TYPES),
            "newestInteraction": NEWEST,
        }
        for kind, serving in (("logits", None), ("blend", None), (HEADS, SERVING), (BLEND_HEADS, SERVING)):
            scratch = folder / f"scratch-{kind}"
            scratch.mkdir()
            artifact.write(self.tools.storage, kind, model_of(kind), rows, record, scratch, serving)
        events = [("active", item) for item in (5, 6)] + [("user-9", item) for item in (7, 8)]
        self.put("INTERACTIONS", [self.event(user, item) for user, item in events])
        self.filters = {name: self._filter(name, text) for name, text in FILTERS.items()}
        self.service.work()

    def deployment(self, kind: str, recipe: str, weight: str = "0", new_items: bool = True) -> Deployment:
        """Return what is asked of an artifact as a recipe answers; perhaps it has looked at new items."""
        body = {"recipeArn": recipe_arn(recipe), "datasetGroupArn": self.group, "solutionConfig": {}}
        arn = f"arn:aws:personalize:eu-central-1:111122223333:solution/{kind}/1"
        row = Resource(
            arn,
            "solution-version",
            "111122223333",
            "eu-central-1",
            kind,
            "ACTIVE",
            body,
            {"folder": kind},
            1.0,
            1.0,
        )
        version = load(trained_of(row), self.tools)
        if new_items:
            for one in version.followers:
                one.look()
        config = {"itemExplorationConfig": {"explorationWeight": weight}}
        return Deployment("job", "Job", version, config)

    @staticmethod
    def item(number: int) -> Row:
        cells = {"ITEM_ID": name_of(number), "PRICE": float(number % 1100), "GENRE": GENRES[number % 3]}
        return Row(name_of(number), cells | {"STOCK": 1})

    @staticmethod
    def event(user: str, item: int) -> Row:
        cells = {"USER_ID": user, "ITEM_ID": name_of(item), "TIMESTAMP": NEWEST + item, "EVENT_TYPE": "buy"}
        return Row(user, cells)

    def _dataset(self, of_type: str) -> Resource:
        found = self.store.get(self.group.replace(":dataset-group/", ":dataset/") + f"/{of_type}")
        assert found is not None
        return found

    def put(self, of_type: str, rows: list[Row]) -> None:
        self.store.put_records.put(self._dataset(of_type).seq, rows).result()

    def _filter(self, name: str, text: str) -> str:
        answer = self.service("CreateFilter", name=name, datasetGroupArn=self.group, filterExpression=text)
        return str(answer["filterArn"])
