"""The second half of the demo: from imported data to recommendations, and what an event changes in them."""

import csv
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from sartor.console import terminal, texts
from sartor.demo import answers, data, script
from sartor.demo.answers import Item
from sartor.demo.script import Training
from sartor.demo.server import Server
from sartor.demo.summary import Query

#: In the order of their trainings: those of seconds first.
RECIPES: Final = (
    "aws-popularity-count",
    "aws-trending-now",
    "aws-similar-items",
    "aws-user-personalization-v2",
)
_POPULARITY, _, _SIMILAR, _PERSONAL = RECIPES
EVENT_TYPE: Final = "View"
#: The use case that is shown of the shop's domain.
_USE_CASE: Final = "aws-ecomm-customers-who-viewed-x-also-viewed"
#: For so many users a batch job answers at most.
_BATCH_USERS: Final = 1000
#: What answers carry of each item.
COLUMNS: Final = ["TITLE", "CATEGORY_L1", "PRICE"]
#: How many items an answer of the demo has.
SHOWN: Final = 8
#: The user of the demo is one of so many who looked at this many items.
_CANDIDATES: Final = 60
_VIEWS: Final = (20, 60)
_EXPRESSION: Final = (
    "INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($CATEGORY) | "
    'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")'
)
#: Where nobody watches, a line says how far a training is after so many seconds.
_TOLD_SECONDS: Final = 10.0


class Personal:
    """Trains, deploys and asks.

    Args:
        server: the service.
        group: the dataset group's name, which begins the names of what is made.
        group_arn: its ARN.
        items_file: the catalogue that was imported; it lies in the folder that is the bucket.
        interactions: how to read the interactions.

    Attributes:
        group: as given.
        user: whose recommendations are shown.
        campaign: the ARN of the campaign that personalizes.
        version: the ARN of its solution version.
    """

    def __init__(
        self,
        server: Server,
        group: str,
        group_arn: str,
        items_file: Path,
        interactions: Query,
    ) -> None:
        self.group = group
        self.user = self.campaign = self.version = ""
        self._server = server
        self._group_arn = group_arn
        self._client = server.client()
        self._runtime = server.client("personalize-runtime")
        self._interactions = interactions
        self._items = _catalogue(items_file)
        self._folder = items_file.parent
        self._versions: dict[str, str] = {}
        self._similar = self._filter = ""
        self._views: list[str] = []
        self._answer: list[str] = []
        self._looked_at: Item | None = None

    def train(self) -> None:
        """Create a solution and a version for each recipe, wait for them, and show their metrics."""
        trainings = [
            script.start_training(
                self._client,
                self._group_arn,
                f"{self.group}-{recipe.removeprefix('aws-')}",
                recipe,
                EVENT_TYPE,
            )
            for recipe in RECIPES
        ]
        self._versions = {one.recipe: one.arn for one in trainings}
        self.version = self._versions[_PERSONAL]
        with terminal.Progress() as progress:
            watch = _Watch(self._server, trainings, progress)
            metrics = script.wait_for_trainings(self._client, trainings, watch.look)
        details = {one.recipe: self._details(one.arn) for one in trainings}
        _tell(answers.trainings({recipe: one["record"] for recipe, one in details.items()}, watch.took))
        short = {recipe.removeprefix("aws-"): found for recipe, found in metrics.items()}
        named = {name: short[name] for name in (recipe.removeprefix("aws-") for recipe in RECIPES)}
        _tell(texts.compared_metrics(named, against=_POPULARITY.removeprefix("aws-")))
        _tell(answers.beside_baselines(_PERSONAL, details[_PERSONAL]))

    def deploy(self) -> None:
        """Create the two campaigns, the filter and the event tracker."""
        self.campaign = script.deploy(self._client, f"{self.group}-for-you", self._versions[_PERSONAL])
        self._similar = script.deploy(self._client, f"{self.group}-similar", self._versions[_SIMILAR])

    def ask(self) -> None:
        """Show what a user looked at beside what is recommended."""
        self.user, self._views = self._some_user()
        self._answer = self._recommended()
        _tell(
            answers.beside(
                f"User {self.user}, who looked {len(self._views)} times",
                ("looked at, newest first", self._named(self._views[:SHOWN])),
                ("GetRecommendations", self._named(self._answer)),
            )
        )

    def filter(self) -> None:
        """Create a filter and show what is left of the answer for another category."""
        self._filter = script.create_filter(
            self._client, f"{self.group}-in-category", self._group_arn, _EXPRESSION
        )
        category = self._categories()[-1]
        click.echo(_EXPRESSION)
        filtered = self._recommended(filterArn=self._filter, filterValues={"CATEGORY": f'"{category}"'})
        _tell(
            answers.beside(
                f"User {self.user}",
                ("without a filter", self._named(self._answer)),
                (f"CATEGORY = {category}", [_of(item, category) for item in self._named(filtered)]),
            )
        )

    def put_event(self) -> None:
        """Let the user look at something from a category that he looks at least, and show what moves."""
        item = self._looked_at = self._off_taste()
        tracking_id = script.create_tracker(self._client, self.group, self._group_arn)
        script.put_view(self._server.client("personalize-events"), tracking_id, self.user, item.id)
        begun = time.monotonic()
        after = self._recommended()
        milliseconds = (time.monotonic() - begun) * 1e3
        said = f"PutEvents: {self.user} looks at {item.title} ({item.category}); asked again at once, "
        click.echo(f"{said}answered after {milliseconds:.0f} ms")
        _tell(answers.moved(f"User {self.user}", self._named(self._answer), self._named(after)))
        self._answer = after

    def similar(self) -> None:
        """Show the items that are related to the one that was looked at."""
        item = self._looked_at or self._items[self._views[0]]
        found = script.recommend(self._runtime, self._similar, COLUMNS, itemId=item.id, numResults=SHOWN)
        related = self._named(one["itemId"] for one in found)
        _tell(
            answers.beside(
                "Recipe aws-similar-items", ("item", [item]), ("who looked at it looks at", related)
            )
        )

    def recommender(self) -> None:
        """Create a recommender of the shop's domain, and ask it about the item that was looked at."""
        item = self._looked_at or self._items[self._views[0]]
        made = script.create_recommender(
            self._client, f"{self.group}-also-viewed", self._group_arn, _USE_CASE
        )
        found = script.recommend(
            self._runtime,
            made["recommenderArn"],
            COLUMNS,
            itemId=item.id,
            userId=self.user,
            numResults=SHOWN,
        )
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in sorted(made["modelMetrics"].items())[:3])
        click.echo(f"{made['name']} is ACTIVE; its metrics: {metrics}")
        related = self._named(one["itemId"] for one in found)
        _tell(answers.beside(f"Use case {_USE_CASE}", ("item", [item]), ("others viewed too", related)))

    def batch(self) -> None:
        """Answer for many users in one job, and show the first lines that it wrote."""
        rows = self._interactions(f"SELECT DISTINCT USER_ID FROM data ORDER BY USER_ID LIMIT {_BATCH_USERS}")
        lines = [json.dumps({"userId": user}) for (user,) in rows]
        source = self._folder / "users.json"
        source.write_text("\n".join(lines) + "\n", encoding="utf-8")
        begun = time.monotonic()
        script.infer(
            self._client,
            f"{self.group}-for-all",
            self.version,
            f"s3://{data.BUCKET}/{source.name}",
            f"s3://{data.BUCKET}/for-all/",
            SHOWN,
        )
        seconds = time.monotonic() - begun
        written = (self._folder / "for-all" / f"{source.name}.out").read_text(encoding="utf-8").splitlines()
        click.echo(
            f"{len(written):,} users have their {SHOWN} items after {seconds:.1f} s, one line for each:"
        )
        for line in written[:2]:
            click.echo(f"\n{line[:300]}")

    def explain(self) -> None:
        """Show the evidence for the first items of the answer."""
        asked = {"campaignArn": self.campaign, "userId": self.user, "numResults": 4}
        answer = self._server.post("/sartor/v1/explain", asked)
        click.echo(texts.explanation(answer, lambda name: self._item(name).title))

    def _recommended(self, **asked: Any) -> list[str]:
        found = script.recommend(
            self._runtime, self.campaign, COLUMNS, userId=self.user, numResults=SHOWN, **asked
        )
        return [one["itemId"] for one in found]

    def _details(self, version: str) -> dict[str, Any]:
        return self._server.get(f"/sartor/v1/solution-versions/{version}")

    def _item(self, name: str) -> Item:
        return self._items.get(name, Item(name, name, ""))

    def _named(self, items: Iterable[str]) -> list[Item]:
        return [self._item(name) for name in items]

    def _some_user(self) -> tuple[str, list[str]]:
        """Return the user whose views are the most of one category, and the views, newest first."""
        least, most = _VIEWS
        rows = self._interactions(
            f"""WITH viewed AS (SELECT USER_ID, ITEM_ID, TIMESTAMP FROM data WHERE EVENT_TYPE = '{EVENT_TYPE}'),
                     known AS (SELECT USER_ID, count(*) AS n FROM viewed GROUP BY USER_ID),
                     candidate AS (SELECT USER_ID FROM known
                              ORDER BY n NOT BETWEEN {least} AND {most}, USER_ID LIMIT {_CANDIDATES})
                SELECT USER_ID, list(ITEM_ID ORDER BY TIMESTAMP DESC, ITEM_ID)
                FROM viewed SEMI JOIN candidate USING (USER_ID) GROUP BY USER_ID ORDER BY USER_ID"""
        )
        views: dict[str, list[str]] = {user: items for user, items in rows}  # noqa: C416 - the rows are of Any
        shares = {
            user: self._counted(items).most_common(1)[0][1] / len(items) for user, items in views.items()
        }
        user = max(shares, key=lambda one: (shares[one], one))
        return user, views[user]

    def _counted(self, items: Sequence[str]) -> Counter[str]:
        return Counter(self._item(name).category for name in items)

    def _categories(self) -> list[str]:
        """Return every category, those that the user looks at most first."""
        counts = self._counted(self._views)
        return sorted({one.category for one in self._items.values()}, key=lambda name: (-counts[name], name))

    def _off_taste(self) -> Item:
        """Return the item that is looked at most of the category that the user looks at least."""
        category = self._categories()[-1]
        rows = self._interactions(
            f"""SELECT ITEM_ID FROM data WHERE EVENT_TYPE = '{EVENT_TYPE}'
                GROUP BY ITEM_ID ORDER BY count(*) DESC, ITEM_ID"""
        )
        return next(item for (name,) in rows if (item := self._item(name)).category == category)


class _Watch:
    """Shows how far trainings are: a bar for each on a terminal, else a line now and then.

    Attributes:
        took: seconds from the first look at work to its end, by recipe.
    """

    def __init__(self, server: Server, trainings: list[Training], progress: terminal.Progress) -> None:
        self.took: dict[str, float] = {}
        self._server = server
        self._gauges = {one.recipe: (0.0, "") for one in trainings}
        self._progress = progress
        self._began: dict[str, float] = {}
        self._told = time.monotonic()

    def look(self, training: Training, described: dict[str, Any]) -> None:
        """Take a training's description."""
        now = time.monotonic()
        if described["status"] == "CREATE IN_PROGRESS":
            self._began.setdefault(training.recipe, now)
            self._say(training, now)
        elif described["status"] == "ACTIVE":
            self.took[training.recipe] = now - self._began.get(training.recipe, now)
            self._gauges[training.recipe] = (1.0, f"{self.took[training.recipe]:.0f} s")
        self._progress.show(
            terminal.gauges((recipe, share, words) for recipe, (share, words) in self._gauges.items())
        )

    def _say(self, training: Training, now: float) -> None:
        """Ask how far a training is, and say it."""
        watched = self._progress.watched
        if not watched and now - self._told < _TOLD_SECONDS:
            return
        progress = self._server.get(f"/sartor/v1/solution-versions/{training.arn}").get("progress") or {}
        words = texts.progress(progress)
        seconds = f"{now - self._began[training.recipe]:.0f} s"
        share = progress.get("epoch", 0) / progress.get("epochs", 1)
        self._gauges[training.recipe] = (share, f"{seconds}, {words}" if words else seconds)
        if not watched and words:
            self._told = now
            click.echo(f"{training.recipe}: {words}")


def _tell(table: str) -> None:
    """Print a table, apart from what stands above it."""
    click.echo(f"\n{table}")


def _of(item: Item, category: str) -> Item:
    """Return an item under one of its categories: under its first one it would look as if the filter had let it by."""
    return item._replace(category=category) if category in item.categories else item


def _catalogue(file: Path) -> dict[str, Item]:
    """Return the items of a catalogue's file by id; where several have one title, it carries the end of the id."""
    with file.open(newline="", encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    titles = Counter(row["TITLE"] for row in rows)
    return {
        row["ITEM_ID"]: Item(
            row["ITEM_ID"],
            row["TITLE"] if titles[row["TITLE"]] == 1 else f"{row['TITLE']} #{row['ITEM_ID'][-3:]}",
            row["CATEGORY_L1"].partition("|")[0],
            tuple(row["CATEGORY_L1"].split("|")),
        )
        for row in rows
    }
