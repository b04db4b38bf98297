"""What a process serves: the campaigns that it was asked for, each with the loaded model of its solution version.

A campaign's row says which version it serves. Whoever asks reads the row's stamp, so every process swaps to a new
version with the first request after the update, whole or not at all; a thread loads versions before they are
asked for.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sartor.data.blobs import Blobs
from sartor.data.dataset import DatasetRecords
from sartor.data.ids import Ids
from sartor.errors import ApiError, invalid_input, not_found, quick_enough
from sartor.models.base import Int32, Int64
from sartor.realtime import artifact
from sartor.realtime.artifact import Artifact
from sartor.realtime.attention import Attention
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.histories import Histories
from sartor.realtime.in_context import InContext
from sartor.realtime.products import Products
from sartor.realtime.seen import SeenNow
from sartor.realtime.selection import selection_of
from sartor.realtime.serving import TABLE
from sartor.realtime.trends import Trends, follows_trends
from sartor.recipes import BY_ARN, Recipe
from sartor.resources.kinds import kind_of
from sartor.resources.records import datasets_of, records_of
from sartor.resources.store import Resource, Store

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

LOG = logging.getLogger("sartor.realtime")

#: How often the thread looks for versions to load and rows that changed, in seconds.
LOOK_SECONDS: Final = 0.5
#: So many versions are kept loaded beside those that a campaign serves; their arrays are the page cache's.
_SPARE_VERSIONS: Final = 4


@dataclass(frozen=True)
class Version:
    """A loaded solution version.

    Attributes:
        resource: its resource.
        recipe: of its solution.
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
    """

    resource: Resource
    recipe: Recipe
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

    @property
    def key(self) -> tuple[str, int]:
        """What no other version has, not even a later one of the same ARN."""
        return self.resource.arn, self.resource.seq

    @property
    def model_items(self) -> int:
        """How many rows of ``items`` the model knows."""
        return len(self.artifact.items)

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

    def new_items(self, cut_off_seconds: float) -> tuple[Int32, Int64]:
        """Return the rows of items that are no older than this, and int64[rows]: the attention that each item had.

        An item without ``CREATION_TIMESTAMP`` is as old as its first interaction; one without either is new.
        """
        newest = self.artifact.record["newestInteraction"]
        if newest is None:
            return np.zeros(0, np.int32), self.counts
        columns = self.items.columns
        had, changes = self.counts, 0
        if self.attention is not None:
            had, changes = self.attention.counts, self.attention.changes
        state = (columns.version, changes)
        known = self._new.get(cut_off_seconds)
        if known is not None and known[0] == state:
            return known[1], known[2]
        n = columns.n_rows
        since = np.full(n, -1, np.int64)
        since[: self.model_items] = self.first_seen
        created = self.items.numbers("CREATION_TIMESTAMP")
        since = np.where(created >= 0, created, since)
        rows = np.flatnonzero((since < 0) | (since >= newest - cut_off_seconds)).astype(np.int32)
        counts = np.zeros(n, np.int64)
        counts[: min(len(had), n)] = had[:n]
        self._new[cut_off_seconds] = (state, rows, counts)
        return rows, counts

    @cached_property
    def _new(self) -> dict[float, tuple[tuple[int, int], Int32, Int64]]:
        return {}

    @cached_property
    def popular_rows(self) -> Int32:
        """int32[model items]: the most popular first."""
        return np.argsort(-self.counts, kind="stable").astype(np.int32)


@dataclass(frozen=True)
class Deployment:
    """A campaign as it serves now.

    Attributes:
        campaign: its resource.
        version: the solution version that answers.
        metadata_on: whether answers may have item metadata.
    """

    campaign: Resource
    version: Version
    metadata_on: bool

    @property
    def exploration(self) -> Mapping[str, str]:
        """The campaign's ``itemExplorationConfig``."""
        found: Mapping[str, str] = self.campaign.body.get("campaignConfig", {}).get(
            "itemExplorationConfig", {}
        )
        return found


@dataclass(frozen=True)
class _Known:
    stamp: tuple[Any, ...]
    deployment: Deployment


class Deployments:
    """The campaigns of one service; safe to share between threads.

    Args:
        store: the metadata database.
        storage: where artifacts and tables lie.
        scratch: a local folder for what need not survive.
        memory_bytes: how much memory a look at a dataset may use.
    """

    def __init__(self, store: Store, storage: Blobs, scratch: Path, memory_bytes: int) -> None:
        self.store = store
        self.storage = storage
        self.scratch = scratch
        self.memory_bytes = memory_bytes
        self._known: dict[str, _Known] = {}
        self._versions: OrderedDict[tuple[str, int], Version] = OrderedDict()
        self._loading = threading.Lock()
        self._products = Products()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load versions before they are asked for, and take up what imports change, from now on."""
        self._thread = threading.Thread(target=self._watch, name="deployments", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def of(self, caller: "Caller", arn: str) -> Deployment:
        """Return the caller's campaign as it serves now.

        Raises:
            ApiError: ``ResourceNotFoundException``, or ``InvalidInputException`` while it serves nothing.
        """
        kind = kind_of(arn, caller.region, caller.account)
        if kind is None or kind.name != "campaign":
            raise not_found(arn)
        stamps = self.store.stamps((arn,))
        if not stamps:
            self._known.pop(arn, None)
            raise not_found(arn)
        known = self._known.get(arn)
        if known is not None and known.stamp == stamps[0]:
            return known.deployment
        campaign = self.store.get(arn)
        if campaign is None:
            raise not_found(arn)
        return self._deployed(campaign, stamps[0])

    def _deployed(self, campaign: Resource, stamp: tuple[Any, ...]) -> Deployment:
        """Return a campaign with its version, and keep it until its row changes."""
        if campaign.status != "ACTIVE":
            raise invalid_input(
                f"Campaign {campaign.arn} must be ACTIVE to give recommendations, "
                f"but its status is {campaign.status}."
            )
        version = self._version(campaign.body["solutionVersionArn"])
        config = campaign.body.get("campaignConfig", {})
        deployment = Deployment(
            campaign, version, bool(config.get("enableMetadataWithRecommendations", False))
        )
        self._known[campaign.arn] = _Known(stamp, deployment)
        return deployment

    def _version(self, arn: str) -> Version:
        """Return a loaded solution version.

        Raises:
            ApiError: ``ResourceNotFoundException``: it is gone.
        """
        resource = self.store.get(arn)
        if resource is None:
            raise not_found(arn)
        key = (arn, resource.seq)
        quick_enough(key not in self._versions)
        with self._loading:
            version = self._versions.get(key)
            if version is None:
                version = self._versions[key] = self._load(resource)
                LOG.info("%s is loaded", arn)
                self._products.fit(max(one.model_items for one in self._versions.values()))
            self._versions.move_to_end(key)
            self._forget()
            return version

    def _load(self, resource: Resource) -> Version:
        try:
            found = artifact.read(self.storage, artifact.place_of(resource.private))
        except FileNotFoundError as error:
            raise not_found(resource.arn) from error
        datasets = datasets_of(resource.body["datasetGroupArn"], self.store)
        if "INTERACTIONS" not in datasets:
            raise not_found(resource.arn)
        items = self._catalogue(resource, "ITEMS", "ITEM_ID", found.items)
        users = self._catalogue(resource, "USERS", "USER_ID", None) if "USERS" in datasets else None
        columns = [one.name for one in items.columns.fields]
        interactions = datasets["INTERACTIONS"]
        recipe = BY_ARN[resource.body["recipeArn"]]
        seen = SeenNow(found, partial(self._records, resource, "INTERACTIONS"))
        counts = np.bincount(found.seen_item, minlength=len(found.items)).astype(np.int64)
        return Version(
            resource,
            recipe,
            found,
            Histories(
                found,
                seen,
                selection_of(resource.body, columns),
                self.store.put_records,
                interactions.seq,
            ),
            seen,
            items,
            users,
            Trends(found, partial(self._records, resource, "INTERACTIONS"))
            if follows_trends(found)
            else None,
            counts,
            _first_seen(found),
            InContext(found.contexts, len(found.items)),
            Attention(counts, items, partial(self._records, resource, "INTERACTIONS"))
            if TABLE[recipe.name].explores == "configured"
            else None,
        )

    def _catalogue(self, version: Resource, dataset_type: str, id_column: str, base: Ids | None) -> Catalogue:
        return Catalogue(partial(self._records, version, dataset_type), id_column, base)

    def _records(self, version: Resource, dataset_type: str) -> DatasetRecords | None:
        """Return the records of a dataset of a version's group as they are now."""
        dataset = datasets_of(version.body["datasetGroupArn"], self.store).get(dataset_type)
        return None if dataset is None else records_of(dataset, self)

    def _forget(self) -> None:
        """Unload versions that no campaign serves, but for the newest."""
        served = {one.deployment.version.key for one in self._known.values()}
        spare = [key for key in self._versions if key not in served]
        for key in spare[: max(len(spare) - _SPARE_VERSIONS, 0)]:
            del self._versions[key]

    def _watch(self) -> None:
        """Load what campaigns serve or will serve, and let catalogues take up what changed."""
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:
                LOG.exception("deployments could not be looked at; it is tried again")

    def _look(self) -> None:
        campaigns = self.store.every("campaign")
        there = {campaign.arn for campaign in campaigns}
        for gone in [arn for arn in self._known if arn not in there]:
            self._known.pop(gone, None)
        for campaign in campaigns:
            update = campaign.body.get("latestCampaignUpdate") or campaign.private.get("update") or {}
            wanted = {campaign.body.get("solutionVersionArn"), update.get("solutionVersionArn")}
            for arn in wanted:
                if arn is not None:
                    self._try(partial(self._version, str(arn)))
        for version in list(self._versions.values()):
            for part in (version.items, version.users, version.seen, version.trends, version.attention):
                if part is not None:
                    self._try(part.look)

    def _try(self, work: Callable[[], object]) -> None:
        """Do something now that a request would do later; what it finds wrong, the request answers."""
        try:
            work()
        except ApiError as error:
            LOG.debug("not loaded: %s", error)


def _first_seen(found: Artifact) -> Int64:
    """Return int64[items]: when each item was first interacted with, epoch seconds; -1 is never."""
    first = np.full(len(found.items), np.iinfo(np.int64).max)
    np.minimum.at(first, found.seen_item, found.seen_time)
    first[first == np.iinfo(np.int64).max] = -1
    return first
