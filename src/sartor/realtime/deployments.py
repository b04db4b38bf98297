"""What a process serves: the campaigns that it was asked for, each with the loaded model of its solution version.

A campaign's row says which version it serves. Whoever asks reads the row's stamp, so every process swaps to a new
version with the first request after the update, whole or not at all. A thread loads versions before they are
asked for as long as there is room: what was asked for is never dropped for what was not.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from sartor.data.blobs import Blobs
from sartor.data.dataset import DatasetRecords
from sartor.data.ids import Ids
from sartor.errors import ApiError, TakesLong, invalid_input, not_found
from sartor.models.base import Int32, Int64
from sartor.realtime import artifact
from sartor.realtime.artifact import Artifact
from sartor.realtime.attention import Attention
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.histories import Histories
from sartor.realtime.in_context import InContext
from sartor.realtime.loaded import Loaded
from sartor.realtime.products import Products
from sartor.realtime.seen import SeenNow
from sartor.realtime.selection import selection_of
from sartor.realtime.trends import Trends, follows_trends
from sartor.recipes import BY_ARN, Recipe, Serving
from sartor.resources.call import inactive
from sartor.resources.kinds import kind_of
from sartor.resources.records import datasets_of, records_of
from sartor.resources.stale_copies import StaleCopies
from sartor.resources.store import Resource, Store
from sartor.resources.tables import Stamp

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

LOG = logging.getLogger("sartor.realtime")

#: How often the thread looks for versions to load and rows that changed, in seconds.
LOOK_SECONDS: Final = 0.5
#: So many versions are kept loaded beside those that are asked for; their arrays are the page cache's.
_SPARE_VERSIONS: Final = 4
#: A campaign that was asked so lately keeps its version loaded, in seconds.
_LATELY_SECONDS: Final = 3600.0
#: A version that could not be loaded ahead is tried again after so many seconds.
_AGAIN_SECONDS: Final = 60.0


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
    def key(self) -> Stamp:
        """What no other version has, nor another state of this one, such as one from which users were deleted."""
        return self.resource.stamp

    @property
    def serving(self) -> Serving:
        """How its recipe answers."""
        assert self.recipe.serving is not None, "such versions cannot be deployed"
        return self.recipe.serving

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


@dataclass
class _Known:
    """A campaign that was asked: how it serves, and when it was asked last (monotonic)."""

    deployment: Deployment
    asked: float

    @cached_property
    def arns(self) -> tuple[str, str]:
        """Whose rows say whether it still serves so."""
        return self.deployment.campaign.arn, self.deployment.version.resource.arn

    @cached_property
    def stamps(self) -> list[Stamp]:
        """What those rows were."""
        return [self.deployment.campaign.stamp, self.deployment.version.resource.stamp]


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
        self._lock = threading.Lock()  # of the two next, for moments only
        self._known: dict[str, _Known] = {}
        self._wanted: frozenset[str] = frozenset()
        self._versions: Loaded[Stamp, Version] = Loaded(_SPARE_VERSIONS)
        self._again: dict[str, float] = {}  # of the thread alone
        self._products = Products()
        self._stale_copies = StaleCopies(store, storage)
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
        with self._lock:
            known = self._known.get(arn)
            if known is not None:
                known.asked = time.monotonic()
        if known is not None and self.store.stamps(known.arns) == known.stamps:
            return known.deployment
        campaign = self.store.get(arn)
        if campaign is None:
            with self._lock:
                self._known.pop(arn, None)
            raise not_found(arn)
        return self._deployed(campaign)

    def _deployed(self, campaign: Resource) -> Deployment:
        """Return a campaign with its version, and keep it until the row of one of them changes."""
        if campaign.status != "ACTIVE":
            raise inactive(campaign, invalid_input)
        version = self._version(campaign.body["solutionVersionArn"])
        config = campaign.body.get("campaignConfig", {})
        deployment = Deployment(
            campaign, version, bool(config.get("enableMetadataWithRecommendations", False))
        )
        with self._lock:
            self._known[campaign.arn] = _Known(deployment, time.monotonic())
        self._forget()
        return deployment

    def _version(self, arn: str) -> Version:
        """Return a loaded solution version.

        Raises:
            ApiError: ``ResourceNotFoundException``: it is gone.
        """
        resource = self.store.get(arn)
        while resource is not None:
            try:
                return self._versions.of(resource.stamp, partial(self._loaded, resource))
            except FileNotFoundError:
                with self.store.read() as transaction:
                    now = transaction.get(arn)
                # its users lie elsewhere once one of them was deleted
                resource = None if now is None or now.stamp == resource.stamp else now
        raise not_found(arn)

    def _loaded(self, resource: Resource) -> Version:
        version = self._load(resource)
        LOG.info("%s is loaded", resource.arn)
        self._products.fit(max(one.model_items for one in (version, *self._versions.all())))
        return version

    def _load(self, resource: Resource) -> Version:
        found = artifact.read(self.storage, artifact.place_of(resource.private))
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
            if recipe.explores_as_told
            else None,
        )

    def _catalogue(self, version: Resource, dataset_type: str, id_column: str, base: Ids | None) -> Catalogue:
        return Catalogue(partial(self._records, version, dataset_type), id_column, base)

    def _records(self, version: Resource, dataset_type: str) -> DatasetRecords | None:
        """Return the records of a dataset of a version's group as they are now."""
        dataset = datasets_of(version.body["datasetGroupArn"], self.store).get(dataset_type)
        return None if dataset is None else records_of(dataset, self)

    def _needed(self) -> Callable[[Stamp], bool]:
        """Return what says whether a campaign that was asked lately serves a version, or will; the lock is held."""
        lately, wanted = time.monotonic() - _LATELY_SECONDS, self._wanted
        served = {one.deployment.version.key for one in self._known.values() if one.asked > lately}
        return lambda key: key in served or key[0] in wanted

    def _forget(self) -> None:
        """Unload versions that are not asked for, but for the newest."""
        with self._lock:
            dropped = self._versions.drop(self._needed())
            for arn in [arn for arn, one in self._known.items() if one.deployment.version.key in dropped]:
                del self._known[arn]

    def _watch(self) -> None:
        """Load what campaigns serve or will serve, and let catalogues take up what changed."""
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._stale_copies.look()
                self._look()
            except Exception:
                LOG.exception("deployments could not be looked at; it is tried again")

    def _look(self) -> None:
        campaigns = {campaign.arn: campaign for campaign in self.store.every("campaign")}
        lately = time.monotonic() - _LATELY_SECONDS
        with self._lock:
            for gone in self._known.keys() - campaigns.keys():
                del self._known[gone]
            asked = [arn for arn, one in self._known.items() if one.asked > lately]
            self._wanted = frozenset(version for arn in asked for version in _versions_of(campaigns[arn]))
        for arn in sorted(self._wanted):
            self._load_ahead(arn)
        self._drop_old()
        for campaign in campaigns.values():
            for arn in sorted(_versions_of(campaign) - self._wanted):
                with self._lock:
                    has_room = self._versions.has_room(self._needed())
                if has_room:
                    self._load_ahead(arn)
        self._forget()
        for version in self._versions.all():
            for part in (version.items, version.users, version.seen, version.trends, version.attention):
                if part is not None:
                    self._take_up(version, part.look)

    def _drop_old(self) -> None:
        """Drop versions that are another by now: users were deleted from them."""
        loaded = {version.key for version in self._versions.all()}
        now = set(self.store.stamps(sorted({key[0] for key in loaded}))) if loaded else set()
        old = loaded - now
        if old:
            self._versions.discard(old)
            with self._lock:
                for arn in [arn for arn, one in self._known.items() if one.deployment.version.key in old]:
                    del self._known[arn]

    def _load_ahead(self, arn: str) -> None:
        """Load a version that a request may ask for later; what breaks now, the request answers."""
        if time.monotonic() < self._again.get(arn, 0.0):
            return
        try:
            self._version(arn)
        except TakesLong:  # a request is at it
            pass
        except ApiError as error:
            LOG.debug("not loaded: %s", error)
        except Exception:  # the others wait for their turn
            LOG.exception("%s could not be loaded; it is tried again in %s s", arn, _AGAIN_SECONDS)
            self._again[arn] = time.monotonic() + _AGAIN_SECONDS

    def _take_up(self, version: Version, look: Callable[[], object]) -> None:
        try:
            look()
        except ApiError as error:
            LOG.debug("not taken up: %s", error)
        except Exception:  # the others wait for their turn
            LOG.exception(
                "what changed for %s could not be taken up; it is tried again", version.resource.arn
            )


def _versions_of(campaign: Resource) -> set[str]:
    """Return the versions that a campaign serves and will serve."""
    update = campaign.body.get("latestCampaignUpdate") or campaign.private.get("update") or {}
    wanted = (campaign.body.get("solutionVersionArn"), update.get("solutionVersionArn"))
    return {str(arn) for arn in wanted if arn is not None}


def _first_seen(found: Artifact) -> Int64:
    """Return int64[items]: when each item was first interacted with, epoch seconds; -1 is never."""
    first = np.full(len(found.items), np.iinfo(np.int64).max)
    np.minimum.at(first, found.seen_item, found.seen_time)
    first[first == np.iinfo(np.int64).max] = -1
    return first
