"""The demo's shop: its departments, its schemas, and the three files with their sizes."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sartor.data import synthetic
from sartor.data.synthetic import Topic, World

#: Where the files lie; for the service the bucket, for this machine a folder.
BUCKET: Final = "demo"
NAMESPACE: Final = "com.amazonaws.personalize.schema"

TOPICS: Final = (
    Topic("Kitchen", ("Cookware", "Baking", "Coffee"), ("Saucepan", "Mixing Bowl", "Kettle", "Tin"), 35),
    Topic("Books", ("Crime", "Travel", "History"), ("Novel", "Atlas", "Chronicle", "Reader"), 15),
    Topic("Garden", ("Tools", "Seeds", "Lighting"), ("Trowel", "Planter", "Lantern", "Hose"), 28),
    Topic("Electronics", ("Audio", "Cameras", "Cables"), ("Headphones", "Lens", "Charger", "Speaker"), 120),
    Topic("Outdoors", ("Hiking", "Camping", "Climbing"), ("Rucksack", "Tent", "Rope", "Stove"), 90),
    Topic("Clothing", ("Knitwear", "Jackets", "Shirts"), ("Jumper", "Coat", "Shirt", "Scarf"), 55),
    Topic("Toys", ("Puzzles", "Building", "Games"), ("Puzzle", "Block Set", "Board Game", "Kite"), 22),
    Topic("Beauty", ("Skin", "Hair", "Scent"), ("Cream", "Brush", "Perfume", "Soap"), 26),
    Topic("Furniture", ("Seating", "Tables", "Storage"), ("Armchair", "Desk", "Bookcase", "Stool"), 240),
    Topic("Music", ("Vinyl", "Strings", "Keys"), ("Record", "Ukulele", "Keyboard", "Stand"), 60),
    Topic("Grocery", ("Tea", "Spices", "Sweets"), ("Tea", "Spice Box", "Chocolate", "Honey"), 9),
    Topic("Fitness", ("Yoga", "Running", "Weights"), ("Mat", "Shoes", "Dumbbell", "Band"), 45),
    Topic("Pets", ("Dogs", "Cats", "Birds"), ("Lead", "Basket", "Feeder", "Blanket"), 20),
    Topic("Office", ("Paper", "Pens", "Lamps"), ("Notebook", "Fountain Pen", "Desk Lamp", "Folder"), 18),
    Topic("Baby", ("Nursery", "Feeding", "Walks"), ("Cot", "Bottle", "Carrier", "Rattle"), 40),
    Topic("Jewellery", ("Rings", "Necklaces", "Watches"), ("Ring", "Pendant", "Watch", "Brooch"), 150),
)


def _schema(name: str, *fields: dict[str, Any]) -> str:
    record = {"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields, "version": "1.0"}
    return json.dumps(record)


def _field(name: str, kind: str, *, nullable: bool = False, **attributes: bool) -> dict[str, Any]:
    return {"name": name, "type": [kind, "null"] if nullable else kind, **attributes}


#: What CreateSchema is given, by dataset type, in the order of import. The domain is ECOMMERCE.
SCHEMAS: Final[Mapping[str, str]] = {
    "Users": _schema(
        "Users",
        _field("USER_ID", "string"),
        _field("AGE", "int", nullable=True),
        _field("GENDER", "string", categorical=True),
        _field("MEMBERSHIP_STATUS", "string", categorical=True),
    ),
    "Items": _schema(
        "Items",
        _field("ITEM_ID", "string"),
        _field("CATEGORY_L1", "string", categorical=True),
        _field("CATEGORY_L2", "string", categorical=True),
        _field("BRAND", "string", categorical=True),
        _field("PRICE", "float"),
        _field("TITLE", "string"),
        _field("PRODUCT_DESCRIPTION", "string", textual=True),
        _field("CREATION_TIMESTAMP", "long"),
    ),
    "Interactions": _schema(
        "Interactions",
        _field("USER_ID", "string"),
        _field("ITEM_ID", "string"),
        _field("EVENT_TYPE", "string"),
        _field("EVENT_VALUE", "float", nullable=True),
        _field("SESSION_ID", "string"),
        _field("TIMESTAMP", "long"),
    ),
}
DOMAIN: Final = "ECOMMERCE"


@dataclass(frozen=True)
class DataFile:
    """One file of the data set, written.

    Attributes:
        dataset_type: ``Users``, ``Items`` or ``Interactions``.
        path: where it lies.
        rows: its rows, without the header.
        seconds: how long the writing took.
    """

    dataset_type: str
    path: Path
    rows: int
    seconds: float


def shop(interactions: int, users: int | None = None, items: int | None = None, seed: int = 1) -> World:
    """Return the demo's world; users and items that are not given grow with the interactions.

    Args:
        interactions: rows of the interactions file.
        users: default: one for each 40 interactions, from 100 up to two million.
        items: default: one for each 200 interactions, from 200 up to a hundred thousand.
        seed: another seed, another shop.

    Raises:
        ValueError: a size is too small.
    """
    if users is None:
        users = min(max(interactions // 40, 100), 2_000_000)
    if items is None:
        items = min(max(interactions // 200, 200), 100_000)
    return World(seed, interactions, users, items, TOPICS)


def write(world: World, folder: Path, progress: Callable[[int], None] = lambda rows: None) -> list[DataFile]:
    """Write ``users.csv``, ``items.csv`` and ``interactions.csv`` into the folder, in this order.

    Args:
        world: what to write.
        folder: where to; it is made if need be.
        progress: is told the rows of interactions so far.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writers: dict[str, tuple[int, Callable[[Path], None]]] = {
        "Users": (world.users, lambda path: synthetic.write_users(world, path)),
        "Items": (world.items, lambda path: synthetic.write_items(world, path)),
        "Interactions": (
            world.interactions,
            lambda path: synthetic.write_interactions(world, path, progress=progress),
        ),
    }
    files = []
    for dataset_type, (rows, write_to) in writers.items():
        path = folder / f"{dataset_type.lower()}.csv"
        begun = time.monotonic()
        write_to(path)
        files.append(DataFile(dataset_type, path, rows, time.monotonic() - begun))
    return files
