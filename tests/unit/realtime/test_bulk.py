"""Lines of a batch job: whoever is answered together with others gets the answer that he gets alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.conftest import Files, Service, make_tools, recipe_arn
from sartor.data.blobs import FolderBlobs
from sartor.data.ids import Ids
from sartor.data.json_lines import Line
from sartor.data.put import Row
from sartor.data.training import TrainingRows
from sartor.models.base import Histories, Model
from sartor.models.blend import BlendModel
from sartor.models.popularity import Config as PopularityConfig
from sartor.models.popularity import PopularityModel
from sartor.models.sequence import Config, SequenceModel
from sartor.realtime import artifact, scoring
from sartor.realtime.blocks import Blocks
from sartor.realtime.bulk import Bulk
from sartor.realtime.deployments import Deployment
from sartor.realtime.filtering import Filters
from sartor.realtime.trained import trained_of
from sartor.realtime.version import load
from sartor.resources.store import Resource, Store

UP, UP2, RANKING = "aws-user-personalization", "aws-user-personalization-v2", "aws-personalized-ranking"
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
    if kind == "logits":
        return sequence
    popular = PopularityModel(PopularityConfig(), RNG.integers(0, 900, ITEMS).astype(np.float32))
    return BlendModel((sequence, popular), 0.8)


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
        self._put("ITEMS", [self._item(number) for number in range(ITEMS + 20)])
        ages = [{"USER_ID": f"user-{number}", "AGE": number} for number in range(USERS)]
        self._put("USERS", [Row(str(one["USER_ID"]), one) for one in ages])
        rows = rows_of()
        number = self.store.put_records.newest(self._dataset("INTERACTIONS").seq)
        record = {
            "tables": {"INTERACTIONS": {"bulkVersion": -1, "putNumber": number}},
            "eventTypes": list(TYPES),
            "newestInteraction": NEWEST,
        }
        for kind in ("logits", "blend"):
            scratch = folder / f"scratch-{kind}"
            scratch.mkdir()
            artifact.write(self.tools.storage, kind, model_of(kind), rows, record, scratch)
        events = [("active", item) for item in (5, 6)] + [("user-9", item) for item in (7, 8)]
        self._put("INTERACTIONS", [self._event(user, item) for user, item in events])
        self.filters = {name: self._filter(name, text) for name, text in FILTERS.items()}
        self.service.work()

    def bulk(
        self,
        kind: str,
        recipe: str,
        results: int,
        of: str | None,
        weight: str = "0",
        new_items: bool = True,
    ) -> Bulk:
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
        caller: Any = self.service.caller
        filter_arn = None if of is None else self.filters[of]
        return Bulk(
            Deployment("job", "Job", version, config), caller, Filters(self.store), filter_arn, results
        )

    @staticmethod
    def _item(number: int) -> Row:
        cells = {"ITEM_ID": name_of(number), "PRICE": float(number % 1100), "GENRE": GENRES[number % 3]}
        return Row(name_of(number), cells | {"STOCK": 1})

    @staticmethod
    def _event(user: str, item: int) -> Row:
        cells = {"USER_ID": user, "ITEM_ID": name_of(item), "TIMESTAMP": NEWEST + item, "EVENT_TYPE": "buy"}
        return Row(user, cells)

    def _dataset(self, of_type: str) -> Resource:
        found = self.store.get(self.group.replace(":dataset-group/", ":dataset/") + f"/{of_type}")
        assert found is not None
        return found

    def _put(self, of_type: str, rows: list[Row]) -> None:
        self.store.put_records.put(self._dataset(of_type).seq, rows).result()

    def _filter(self, name: str, text: str) -> str:
        answer = self.service("CreateFilter", name=name, datasetGroupArn=self.group, filterExpression=text)
        return str(answer["filterArn"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(tmp_path_factory.mktemp("bulk"))
    yield found
    found.store.close()


#: Users with and without histories, one with very many interactions, two with events since, and nobody.
ASKED = [*(f"user-{number}" for number in range(0, USERS, 3)), "user-9", "active", "nobody", "user-3"]


def lines_of(of: str | None) -> list[Line]:
    asked: list[dict[str, Any]] = [{"userId": user} for user in ASKED]
    if of == "values":
        values = [
            {},
            {"GENRE": '"drama"'},
            {"GENRE": '"comedy","drama"', "PRICE": "700"},
            {"GENRE": '"drama"', "PRICE": "dear"},
        ]
        asked = [{**one, "filterValues": values[at % 4]} for at, one in enumerate(asked)]
    return [Line(number, json.dumps(one).encode()) for number, one in enumerate(asked, 1)]


def answered(bulk: Bulk, lines: list[Line], monkeypatch: pytest.MonkeyPatch, together: bool) -> Any:
    with monkeypatch.context() as patch:
        if not together:
            patch.setattr(Blocks, "able", property(lambda _self: False))
        return [
            (one.line, one.reason, None if one.output is None else json.loads(one.output))
            for one in bulk.answer(lines)
        ]


@pytest.mark.parametrize("of", [None, *FILTERS])
@pytest.mark.parametrize(
    ("kind", "recipe", "weight", "new_items"),
    [
        ("logits", UP, "0", True),
        ("logits", UP, "0.5", False),
        ("logits", UP2, "0", False),
        ("blend", UP, "0.8", True),
        ("blend", UP2, "0", False),
    ],
)
def test_users_who_are_answered_together_get_what_each_gets_alone(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    recipe: str,
    weight: str,
    new_items: bool,
    of: str | None,
) -> None:
    bulk, lines = shop.bulk(kind, recipe, 25, of, weight, new_items), lines_of(of)
    together = answered(bulk, lines, monkeypatch, together=True)
    alone = answered(bulk, lines, monkeypatch, together=False)
    for (_, reason, found), (_, expected_reason, expected) in zip(together, alone, strict=True):
        assert reason == expected_reason
        if expected is None:
            assert found is None
            continue
        assert found["recommendedItems"] == expected["recommendedItems"]
        assert found.get("reasons") == expected.get("reasons")
        assert [one is None for one in found["scores"]] == [one is None for one in expected["scores"]]
        scores = [(one, two) for one, two in zip(found["scores"], expected["scores"], strict=True) if two]
        np.testing.assert_allclose(
            [one for one, _ in scores], [two for _, two in scores], atol=3e-7, rtol=1e-4
        )


@pytest.mark.parametrize("together", [True, False])
def test_what_the_second_version_does_not_score_is_filled_with_popular_items_that_pass_the_filter(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    monkeypatch.setattr(scoring, "BEST", 40)
    (whole,) = answered(shop.bulk("logits", UP2, 100, None), lines_of(None)[:1], monkeypatch, together)
    scores = whole[2]["scores"]
    assert sum(scores[:40]) == pytest.approx(1, abs=1e-5)
    assert scores[40:] == [None] * 60
    assert whole[2]["reasons"] == [[]] * 40 + [["Popular item"]] * 60
    counts = shop.bulk("logits", UP2, 1, None)._blocks._version.counts
    popular = [counts[int(name.rpartition("-")[2])] for name in whole[2]["recommendedItems"][40:]]
    assert popular == sorted(popular, reverse=True)
    bulk = shop.bulk("logits", UP2, 100, "narrow")
    (narrow,) = answered(bulk, lines_of("narrow")[:1], monkeypatch, together)
    prices = [int(name.rpartition("-")[2]) % 1100 for name in narrow[2]["recommendedItems"]]
    assert set(prices) == set(range(8))
    assert ["Popular item"] in narrow[2]["reasons"]


def test_most_users_are_answered_together(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    alone: list[str] = []
    for of in (None, "metadata", "values", "narrow", "had", "bought", "old"):
        bulk = shop.bulk("logits", UP2, 25, of)
        monkeypatch.setattr(bulk, "_alone", lambda line: alone.append(json.loads(line.text)["userId"]))
        list(
            bulk.answer(
                [line for line in lines_of(of) if b'"dear"' not in line.text and b"{}" not in line.text]
            )
        )
        assert set(alone) <= {"active", "user-9"}, of


def test_a_user_of_whom_something_is_new_is_one_with_records_that_the_training_has_not_seen(
    shop: Shop,
) -> None:
    histories = shop.bulk("logits", UP, 5, None)._blocks._version.histories
    found = histories.changed(["user-1", "user-9", "active", "nobody"])
    assert found == {"user-9", "active"}


def test_a_ranking_is_of_the_items_of_the_line(shop: Shop) -> None:
    items = [name_of(5), "unknown", name_of(9), name_of(5)]
    line = Line(1, json.dumps({"userId": "user-4", "itemList": items}).encode())
    (found,) = shop.bulk("logits", RANKING, 25, None).answer([line])
    output = json.loads(found.output or b"")
    assert sorted(output["recommendedItems"][:2]) == [name_of(5), name_of(9)]
    assert output["recommendedItems"][2:] == ["unknown"]
    assert sum(output["scores"][:2]) == pytest.approx(1.0, abs=1e-6)
    assert output["scores"][2] is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"userId": "user-1"}, "itemList must be a list"),
        ({"userId": "user-1", "itemList": []}, "itemList must be a list"),
        ({"userId": "user-1", "itemList": ["a"] * 501}, "1 to 500"),
        ({"userId": "user-1", "itemList": [7]}, "itemList must have strings"),
        ({"itemList": ["a"]}, "userId is required"),
    ],
)
def test_a_ranking_of_nothing_says_what_it_lacks(shop: Shop, line: dict[str, Any], words: str) -> None:
    (found,) = shop.bulk("logits", RANKING, 25, None).answer([Line(1, json.dumps(line).encode())])
    assert found.output is None
    assert words in found.reason


def test_histories_are_made_of_the_training_alone(shop: Shop) -> None:
    found = shop.bulk("logits", UP, 5, None)._blocks._version.artifact
    assert found.states is not None
    histories = Histories(found.item, found.offsets, found.time)
    np.testing.assert_allclose(found.model.states(histories), found.states, atol=1e-5)
