"""What a process serves: what it was asked for, such as campaigns, each with what was trained for it, loaded.

The row of what is asked says what it serves. Whoever asks reads the row's stamp, so every process swaps to what is
new with the first request after the update, whole or not at all. A thread loads ahead of the requests as long as there
is room: what was asked for is never dropped for what was not. What is loaded is known by where it lies.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from sartor.errors import ApiError, TakesLong, invalid_input, not_found
from sartor.realtime import exploration
from sartor.realtime.loaded import Loaded
from sartor.realtime.product_threads import ProductThreads
from sartor.realtime.trained import Key, Trained, as_it_is, trained_of
from sartor.realtime.version import Version, load
from sartor.resources.call import inactive
from sartor.resources.kind_names import CAMPAIGN, RECOMMENDER
from sartor.resources.kinds import kind_of
from sartor.resources.records import Means
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
_RECOMMENDER: Final = "Recommender"


@dataclass(frozen=True)
class Deployment:
    """What is asked, as it serves now.

    Attributes:
        arn: of what is asked, such as a campaign.
        noun: what that is, in words.
        version: what answers.
        config: its configuration.
        number: no two have the same; what is kept of an answer is of one of them.
    """

    arn: str
    noun: str
    version: Version
    config: Mapping[str, Any]
    number: int = field(default_factory=count().__next__)

    @property
    def is_recommender(self) -> bool:
        """Whether it is asked as a recommender."""
        return self.noun == _RECOMMENDER

    @cached_property
    def metadata_on(self) -> bool:
        """Whether answers may have item metadata."""
        return bool(self.config.get("enableMetadataWithRecommendations", False))

    @cached_property
    def explored_share(self) -> float:
        """Of an answer's places, how many are explored."""
        serving = self.version.serving
        return exploration.share_of(serving.explores, self._exploration, serving.managed_share)

    @cached_property
    def cut_off_seconds(self) -> float:
        """How old an item may be that is explored, in seconds."""
        return exploration.cut_off_seconds(self._exploration)

    @property
    def _exploration(self) -> Mapping[str, str]:
        """Its ``itemExplorationConfig``."""
        found: Mapping[str, str] = self.config.get("itemExplorationConfig", {})
        return found

    @cached_property
    def influence(self) -> tuple[float, float]:
        """How much popularity and freshness have a say: its ``rankingInfluence``."""
        found: Mapping[str, float] = self.config.get("rankingInfluence", {})
        return float(found.get("POPULARITY", 0.0)), float(found.get("FRESHNESS", 0.0))


@dataclass(frozen=True)
class _Kind:
    """A kind of what can be asked.

    Attributes:
        noun: what it is, in words.
        config: the member of its body that has its configuration.
        serves: gives the ARN of the row that says what it serves.
        will_serve: gives those of what it serves and of what it will.
    """

    noun: str
    config: str
    serves: Callable[[Resource], str]
    will_serve: Callable[[Resource], Collection[str]]


def _versions_of(campaign: Resource) -> set[str]:
    """Return the versions that a campaign serves and will serve."""
    update = campaign.body.get("latestCampaignUpdate") or campaign.private.get("update") or {}
    wanted = (campaign.body.get("solutionVersionArn"), update.get("solutionVersionArn"))
    return {str(arn) for arn in wanted if arn is not None}


#: What can be asked, by kind.
_KINDS: Final[Mapping[str, _Kind]] = {
    CAMPAIGN: _Kind(
        "Campaign", "campaignConfig", lambda campaign: str(campaign.body["solutionVersionArn"]), _versions_of
    ),
    RECOMMENDER: _Kind(
        _RECOMMENDER,
        "recommenderConfig",
        lambda recommender: recommender.arn,
        lambda recommender: (recommender.arn,) if "artifact" in recommender.private else (),
    ),
}


def _will_serve(asked: Resource) -> list[str]:
    """Return the ARNs of the rows of what is served and will be, sorted."""
    return sorted(_KINDS[asked.kind].will_serve(asked))


def served(store: Store) -> Iterator[tuple[Resource, Resource]]:
    """Yield every active campaign and recommender, with the row that says what it serves."""
    for name, kind in _KINDS.items():
        for asked in store.every(name):
            row = store.get(kind.serves(asked)) if asked.status == "ACTIVE" else None
            if row is not None:
                yield asked, row


@dataclass
class _Known:
    """What was asked: how it serves, what the rows were that say so, and when it was asked last (monotonic)."""

    deployment: Deployment
    stamps: list[Stamp]
    asked: float

    @cached_property
    def arns(self) -> tuple[str, ...]:
        """Whose rows those are."""
        return tuple(arn for arn, *_ in self.stamps)


class Deployments:
    """What can be asked of one service; safe to share between threads.

    Args:
        means: to reach artifacts and datasets.

    Attributes:
        means: as given.
    """

    def __init__(self, means: Means) -> None:
        self.means = means
        self._store = means.store
        self._lock = threading.Lock()  # of the two next, for moments only
        self._known: dict[str, _Known] = {}
        self._wanted: frozenset[Key] = frozenset()
        self._versions: Loaded[Key, Version] = Loaded(_SPARE_VERSIONS)
        self._again: dict[str, float] = {}  # of the thread alone
        self._threads_of_products = ProductThreads()
        self._stale_copies = StaleCopies(means.store, means.storage)
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
        """Return what the caller asks, as it serves now.

        Raises:
            ApiError: ``ResourceNotFoundException``, or ``InvalidInputException`` while it serves nothing.
        """
        kind = kind_of(arn, caller.region, caller.account)
        if kind is None or kind.name not in _KINDS:
            raise not_found(arn)
        with self._lock:
            known = self._known.get(arn)
            if known is not None:
                known.asked = time.monotonic()
        if known is not None and self._store.stamps(known.arns) == known.stamps:
            return known.deployment
        resource = self._store.get(arn)
        if resource is None:
            with self._lock:
                self._known.pop(arn, None)
            raise not_found(arn)
        return self._deployed(resource, _KINDS[kind.name])

    def version(self, arn: str) -> Version:
        """Return an ACTIVE solution version or recommender, loaded, whether it serves or not.

        Raises:
            ApiError: ``ResourceNotFoundException``: it is gone, or its data are.
        """
        found = as_it_is(self._store, arn, self._version)
        if found is None:
            raise not_found(arn)
        return found[1]

    def _deployed(self, resource: Resource, kind: _Kind) -> Deployment:
        """Return what is asked with what it serves, and keep it until a row that says so changes."""
        if resource.status != "ACTIVE":
            raise inactive(resource, invalid_input)
        found = as_it_is(self._store, kind.serves(resource), self._version)
        if found is None:
            raise not_found(kind.serves(resource))
        served, version = found
        deployment = Deployment(resource.arn, kind.noun, version, resource.body.get(kind.config, {}))
        with self._lock:
            stamps = sorted({resource.stamp, served.stamp})
            self._known[resource.arn] = _Known(deployment, stamps, time.monotonic())
        self._forget()
        return deployment

    def _version(self, trained: Trained) -> Version:
        """Return what was trained, loaded.

        Raises:
            FileNotFoundError: it lies elsewhere by now.
        """
        return self._versions.of(trained.key, partial(self._loaded, trained))

    def _loaded(self, trained: Trained) -> Version:
        version = self._load(trained)
        LOG.info("%s is loaded", trained.arn)
        self._threads_of_products.fit(max(one.model_items for one in (version, *self._versions.all())))
        return version

    def _load(self, trained: Trained) -> Version:
        return load(trained, self.means)

    def _needed(self) -> Callable[[Key], bool]:
        """Return what says whether something that was asked lately serves a version, or will; the lock is held."""
        lately = time.monotonic() - _LATELY_SECONDS
        served = {one.deployment.version.key for one in self._known.values() if one.asked > lately}
        return (served | self._wanted).__contains__

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
        there = {one.arn: one for kind in _KINDS for one in self._store.every(kind)}
        lately = time.monotonic() - _LATELY_SECONDS
        with self._lock:
            for gone in self._known.keys() - there.keys():
                del self._known[gone]
            asked = [there[arn] for arn, one in self._known.items() if one.asked > lately]
        trained = self._trained(there.values())
        wanted = [trained[arn] for one in asked for arn in _will_serve(one) if arn in trained]
        with self._lock:
            self._wanted = frozenset(one.key for one in wanted)
        for one in wanted:
            self._load_ahead(one)
        self._drop_old()
        for one in trained.values():
            with self._lock:
                has_room = one.key not in self._wanted and self._versions.has_room(self._needed())
            if has_room:
                self._load_ahead(one)
        self._forget()
        for version in self._versions.all():
            for follower in version.followers:
                self._take_up(version, follower.look)

    def _trained(self, asked: Iterable[Resource]) -> dict[str, Trained]:
        """Return what resources serve and will serve, by the ARN of its row."""
        arns = dict.fromkeys(arn for one in asked for arn in _will_serve(one))
        rows = (self._store.get(arn) for arn in arns)
        return {row.arn: trained_of(row) for row in rows if row is not None}

    def _drop_old(self) -> None:
        """Drop what is another by now: users were deleted from it."""
        old = set()
        for version in self._versions.all():
            row = self._store.get(version.trained.arn)
            if row is None or trained_of(row).key != version.key:
                old.add(version.key)
        if old:
            self._versions.discard(old)
            with self._lock:
                for arn in [arn for arn, one in self._known.items() if one.deployment.version.key in old]:
                    del self._known[arn]

    def _load_ahead(self, trained: Trained) -> None:
        """Load what a request may ask for later; what breaks now, the request answers."""
        if time.monotonic() < self._again.get(trained.arn, 0.0):
            return
        try:
            self._version(trained)
        except (TakesLong, FileNotFoundError):  # a request is at it, or it lies elsewhere by now
            pass
        except ApiError as error:
            LOG.debug("not loaded: %s", error)
        except Exception:  # the others wait for their turn
            LOG.exception("%s could not be loaded; it is tried again in %s s", trained.arn, _AGAIN_SECONDS)
            self._again[trained.arn] = time.monotonic() + _AGAIN_SECONDS

    def _take_up(self, version: Version, look: Callable[[], object]) -> None:
        try:
            look()
        except ApiError as error:
            LOG.debug("not taken up: %s", error)
        except Exception:  # the others wait for their turn
            LOG.exception("what changed for %s could not be taken up; it is tried again", version.trained.arn)
