"""What was trained, loaded: all that an answer asks of it. Processes that answer load it, and jobs that ask in bulk."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final, Protocol, cast

import numpy as np

from sartor.data.dataset import DatasetRecords
from sartor.data.training import Selection
from sartor.errors import not_found
from sartor.filters.columns import Columns
from sartor.filters.tree import Filter
from sartor.models.base import Bool, Int32, Int64, Model
from sartor.models.semantic import SemanticModel
from sartor.realtime import artifact
from sartor.realtime.acting import Actions
from sartor.realtime.artifact import Artifact
from sartor.realtime.attention import Attention
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.exploration import New
from sartor.realtime.histories import Histories
from sartor.realtime.in_context import InContext
from sartor.realtime.later_texts import LaterTexts
from sartor.realtime.new_items import NewItems
from sartor.realtime.seen import of_artifact
from sartor.realtime.seen_now import SeenNow
from sartor.realtime.selection import selection_of
from sartor.realtime.trained import Key, Trained
from sartor.realtime.trends import Trends
from sartor.recipes import Recipe, Serving
from sartor.resources.records import Means, records_of

#: With this share of the interactions that others usually have, an item whose age nobody tells needs no exploration.
_KNOWN_SHARE: Final = 0.5
#: The number of a dataset that is not there.
_NO_DATASET: Final = 0
_Records = Callable[[str], DatasetRecords | None]


class Follower(Protocol):
    """What is known of a dataset, as it was at the last look."""

    @property
    def changes(self) -> int:
        """What is another number once something was taken up."""

    def look(self) -> None:
        """Take up what has changed, if it is time for that."""


@dataclass(frozen=True)
class Version:
    """What was trained, loaded.

    Attributes:
        trained: what is loaded.
        artifact: the model and its names.
        histories: of its users.
        seen: what its users interacted with, as filters see it.
        items: the rows of its items, newer items at the end.
        users: the rows of the Users dataset; ``None`` if there is none.
        trends: what a model that follows the newest interactions says now; ``None`` for all others.
        counts: int64[model items], the interactions of each that the training saw.
        first_seen: int64[model items], when each was first interacted with, epoch seconds; -1 is never.
        in_context: what a request's context says of its items.
        attention: what its items have had; ``None`` if its recipe does not explore as a campaign says.
        new: what stands in for the scores of newer items; ``None`` if its recipe does not explore.
        later: its model with the texts that came after the training; ``None`` if it takes up none.
        actions: what it recommends in place of items, if that is actions.
    """

    trained: Trained
    artifact: Artifact
    histories: Histories
    seen: SeenNow
    items: Catalogue
    users: Catalogue | None
    trends: Trends | None
    counts: Int64
    first_seen: Int64
    in_context: InContext
    attention: Attention | None
    new: NewItems | None
    later: LaterTexts | None
    actions: Actions | None

    @property
    def key(self) -> Key:
        """What no other has; answers are kept by it."""
        return self.trained.key

    @property
    def recipe(self) -> Recipe:
        """Of which it was trained."""
        return self.trained.recipe

    @property
    def serving(self) -> Serving:
        """How its recipe answers."""
        assert self.recipe.serving is not None, "such versions cannot be deployed"
        return self.recipe.serving

    @property
    def model(self) -> Model:
        """What scores items, with what it has taken up since the training."""
        return self.artifact.model if self.later is None else self.later.model

    @property
    def catalogue(self) -> Catalogue:
        """The rows of what it recommends."""
        return self.items if self.actions is None else self.actions.catalogue

    @property
    def model_items(self) -> int:
        """How many rows of ``items`` the model knows."""
        return self.model.n_items

    @property
    def changes(self) -> int:
        """How often the model has taken up something since the training; scores of before are old."""
        return 0 if self.later is None else self.later.changes

    @cached_property
    def followers(self) -> tuple["Follower", ...]:
        """What takes up changes of the group's datasets when it is told to look."""
        actions = self.actions
        of_actions = () if actions is None else (actions.catalogue, actions.seen, actions.attention)
        of_items = (self.items, self.users, self.seen, self.trends, self.attention, self.new, self.later)
        return tuple(one for one in (*of_items, *of_actions) if one is not None)

    def state(self) -> tuple[int, ...]:
        """Return what is another once anything has changed that answers come from, but for what their user did.

        What calls have put is taken up first.
        """
        self.items.take_up()
        if self.users is not None:
            self.users.take_up()
        return tuple([one.changes for one in self.followers])

    def model_item(self, name: str) -> int | None:
        """Return the number of an item in the model; ``None`` if it does not know it."""
        row = self.items.find(name)
        return row if row is not None and row < self.model_items else None

    def user(self, name: str | None) -> dict[str, str] | None:
        """Return a user's attributes as texts; ``None`` for one whom the Users dataset does not know."""
        if self.users is None or name is None:
            return None
        self.users.take_up()
        row = self.users.find(name)
        if row is None:
            return None
        return self.users.columns.texts(row, [one.name for one in self.users.columns.fields])

    def new_items(self, cut_off_seconds: float) -> New:
        """Return the items that are no older than this.

        An item without ``CREATION_TIMESTAMP`` is as old as its first interaction, and known once it has had half as
        many as others usually have: in young data all items came lately. One without either is new.
        """
        newest = self.artifact.provenance["newestInteraction"]
        if newest is None:
            return New.of(np.zeros(0, np.int32), self.counts)
        columns = self.items.columns
        had, changes = self.counts, 0
        if self.attention is not None:
            had, changes = self.attention.counts, self.attention.changes
        state = (columns.version, changes)
        known = self._new.get(cut_off_seconds)
        if known is not None and known[0] == state:
            return known[1]
        n = columns.n_rows
        since = np.full(n, -1, np.int64)
        since[: len(self.first_seen)] = self.first_seen
        created = self.items.numbers("CREATION_TIMESTAMP")
        since = np.where(created >= 0, created, since)
        counts = np.zeros(n, np.int64)
        counts[: min(len(had), n)] = had[:n]
        usual = counts.sum() / max(np.count_nonzero(counts), 1)
        is_known = (created < 0) & (counts > 0) & (counts >= _KNOWN_SHARE * usual)
        is_young = (since < 0) | (since >= newest - cut_off_seconds)
        rows = np.flatnonzero(is_young & ~is_known).astype(np.int32)
        found = New.of(rows, counts)
        self._new[cut_off_seconds] = (state, found)
        return found

    @cached_property
    def _new(self) -> dict[float, tuple[tuple[int, int], New]]:
        return {}

    @cached_property
    def masks(self) -> dict[str, tuple[Filter, Columns, Bool]]:
        """What filters allow that say the same to every request, by ARN, each with what it was made from."""
        return {}

    @cached_property
    def popular_rows(self) -> Int32:
        """int32[model items]: the most popular first."""
        return np.argsort(-self.counts, kind="stable").astype(np.int32)


def load(trained: Trained, means: Means) -> Version:
    """Return what was trained, ready to answer.

    Args:
        trained: what to load.
        means: to reach its artifact and the datasets of its group.

    Raises:
        FileNotFoundError: its artifact lies elsewhere by now.
        ApiError: ``ResourceNotFoundException``: the interactions of its group are gone.
    """
    found = artifact.read(means.storage, trained.place)
    datasets = means.store.datasets(trained.group)
    if not datasets.keys() >= set(trained.recipe.needs):
        raise not_found(trained.arn)
    records = partial(_records, trained.group, means)
    items = Catalogue(partial(records, "ITEMS"), "ITEM_ID", found.items)
    selection = selection_of(trained.training, [one.name for one in items.columns.fields])
    interactions = partial(records, "INTERACTIONS")
    seen = SeenNow(of_artifact(found), interactions)
    counts = _of_all(found.item_counts, len(found.items), 0)
    return Version(
        trained,
        found,
        Histories(
            found,
            seen,
            selection,
            means.store.put_records,
            datasets["INTERACTIONS"].seq if "INTERACTIONS" in datasets else _NO_DATASET,
        ),
        seen,
        items,
        Catalogue(partial(records, "USERS"), "USER_ID", None) if "USERS" in datasets else None,
        Trends(found, items, interactions) if found.model.window_seconds is not None else None,
        counts,
        _of_all(found.item_first, len(found.items), -1),
        InContext(found.contexts, len(found.items)),
        Attention(counts, items, interactions) if trained.recipe.explores_as_told else None,
        _new_items(trained, found, items, counts, selection, records),
        _later_texts(trained, found, items, selection, partial(records, "ITEMS")),
        None if found.acting is None else Actions(found, found.acting, records, means.store.put_records),
    )


def _new_items(
    trained: Trained,
    found: Artifact,
    items: Catalogue,
    counts: Int64,
    selection: Selection,
    records: _Records,
) -> NewItems | None:
    """Return what stands in for newer items, if the recipe explores them."""
    dataset, serving = records("ITEMS"), trained.recipe.serving
    if dataset is None or serving is None or serving.explores is None or serving.target != "ItemID":
        return None
    return NewItems(items, counts, selection.left_out(dataset.schema), found.model.lift)


def _later_texts(
    trained: Trained,
    found: Artifact,
    items: Catalogue,
    selection: Selection,
    find_records: Callable[[], DatasetRecords | None],
) -> LaterTexts | None:
    """Return the model with what came after the training, if the solution takes that up."""
    if not trained.training.get("performIncrementalUpdate", False):
        return None
    state = found.provenance["tables"]["ITEMS"]
    seen = (state["bulkVersion"], state["putNumber"])
    return LaterTexts(cast(SemanticModel, found.model), seen, items, selection, find_records)


def _records(group: str, means: Means, dataset_type: str) -> DatasetRecords | None:
    """Return the records of a dataset of a group as they are now."""
    dataset = means.store.datasets(group).get(dataset_type)
    return None if dataset is None else records_of(dataset, means)


def _of_all(numbers: Int64, n_items: int, nothing: int) -> Int64:
    """Return int64[items]: the numbers of the first items, and for those behind them another."""
    return np.append(numbers, np.full(n_items - len(numbers), nothing))
