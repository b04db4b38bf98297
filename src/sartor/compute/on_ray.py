"""Work on the machines of a Ray cluster.

The driver is a child of this process: Ray ends a driver that loses its head, and one that is killed takes its tasks
along. Pieces are plain tasks, and a gang is tasks in one placement group. Nothing but pieces and results passes through
Ray, and no credentials: each machine has its own settings.
"""

import asyncio
import importlib.metadata
import logging
import platform
import queue
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from types import ModuleType
from typing import Any, Final

from sartor.compute.carried import packed, packed_error, unpacked
from sartor.compute.child import SAID_SECONDS, Link, ran, seldom
from sartor.compute.contract import (
    IN_FLIGHT,
    RUNS,
    Arrays,
    Heard,
    Member,
    Need,
    P,
    R,
    added,
    said_nothing,
)
from sartor.compute.pool import Pool
from sartor.errors import Unavailable

#: How long the head, and each machine, has for an answer, in seconds.
ANSWER_SECONDS: Final = 60.0
_HEAD_SECONDS: Final = 5.0
#: How often the driver looks for new pieces and for results, in seconds.
_LOOK_SECONDS: Final = 0.05
#: What the driver has in its environment: work that the system ends for its memory is not tried for ever.
_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": str(RUNS - 1),
    "RAY_DEDUP_LOGS": "0",
}
#: What must be the same on every machine.
_PACKAGES: Final = ("sartor", "duckdb", "numpy")


class OnRay:
    """Runs pieces as tasks of Ray, by a driver that lives as long as the call.

    Args:
        address: of the cluster's head, ``HOST:PORT``.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def slots(self) -> int:
        """How many processors the cluster has now."""
        slots, _ = self._look()
        return max(1, slots)

    @property
    def far(self) -> bool:
        """Pieces run on other machines."""
        return True

    def map(
        self,
        work: Callable[[P, Heard], R],
        pieces: Sequence[P],
        need: Need,
        *,
        done: Callable[[int, R], None],
        stop: Callable[[], bool],
        progress: Callable[[int, Any], None] = said_nothing,
    ) -> None:
        """Run work over pieces, of which nobody hears before they are done; see ``Compute``."""
        self._drivers(partial(drive, self._address, work, need)).map(pieces, done, stop, progress)

    def together(
        self,
        work: Callable[[Member, P], R],
        argument: P,
        need: Need,
        *,
        progress: Callable[[Any], None],
        stop: Callable[[], bool],
    ) -> R:
        """Run work as a gang; see ``Compute``."""
        results: list[R] = []
        self._drivers(partial(drive_gang, self._address, work, need)).map(
            [argument], lambda _, result: results.append(result), stop, lambda _, said: progress(said)
        )
        return results[0]

    def check(self) -> str:
        """Return in a line what would be used."""
        slots, machines = self._look()
        return f"Ray at {self._address}: {slots} processors of {machines} machines, all of the same versions"

    def _look(self) -> tuple[int, int]:
        """Return how many processors there are, of how many machines.

        Raises:
            Unavailable: the cluster cannot be used.
        """
        found: list[tuple[int, int]] = []
        self._drivers(partial(look, self._address)).map(
            [None], lambda _, result: found.append(result), lambda: False, said_nothing
        )
        return found[0]

    def _drivers(self, target: Callable[[Link], None]) -> Pool:
        doubt = f"does Ray's head at {self._address} run, and a node of it on this machine?"
        return Pool(target, 1, _ENVIRONMENT, doubt)


def drive(address: str, work: Callable[[P, Heard], R], need: Need, link: Link) -> None:
    """Run pieces as tasks, in the driver's process."""
    ray = _connected(address, need, link)
    if ray is None:
        return
    run = ray.remote(_run_piece).options(
        num_cpus=need.threads, num_gpus=need.gpus, memory=need.memory_bytes, max_retries=RUNS - 1
    )
    running: dict[Any, int] = {}
    expected, room, ended = _versions(), 0, False
    while not ended:
        if room != (room := _room(ray, need)):  # machines come and go
            link.send("room", room)
        for message in _came(link, wait=not running):
            if message is None:
                ended = True
                break
            number, piece = message
            running[run.remote(packed((work, piece)), number, expected)] = number
        ready, _ = ray.wait(list(running), timeout=_LOOK_SECONDS) if running else ([], [])
        for task in ready:
            number = running.pop(task)
            try:
                link.send(*ray.get(task))
            except ray.exceptions.RayError as error:
                link.send("failed", number, packed_error(_died(error)))
    ray.shutdown()


def drive_gang(address: str, work: Callable[[Member, P], R], need: Need, link: Link) -> None:
    """Run one gang, in the driver's process."""
    ray = _connected(address, need, link)
    if ray is None:
        return
    link.send("room", 1)
    number, argument = link.receive()
    size = need.at_once(_slots(ray) // need.threads)
    bundle = {"CPU": need.threads, "memory": need.memory_bytes, **({"GPU": need.gpus} if need.gpus else {})}
    group = ray.util.placement_group([bundle] * size, strategy="SPREAD")
    for run in range(1, RUNS + 1):
        try:
            link.send(
                *_run_gang(
                    ray, group, size, packed((work, argument)), need, partial(link.send, "said", number)
                )
            )
            break
        except ray.exceptions.RayError as error:
            if run == RUNS:
                link.send("failed", number, packed_error(_died(error)))
    link.receive()
    ray.shutdown()


def look(address: str, link: Link) -> None:
    """Say how large the cluster is, in the driver's process."""
    ray = _connected(address, Need(0), link)
    if ray is None:
        return
    link.send("room", 1)
    number, _ = link.receive()
    link.send("done", number, packed((_slots(ray), len(_machines(ray)))))
    link.receive()
    ray.shutdown()


def _run_gang(
    ray: ModuleType, group: Any, size: int, content: bytes, need: Need, say: Callable[[Any], None]
) -> tuple[str, int, bytes]:
    """Run all members once; return what came of rank 0, or of the first that failed."""
    strategy = partial(ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy, group)
    sums = ray.remote(_Sums).options(num_cpus=0).remote(size)
    member = ray.remote(_run_member)
    tasks = [
        member.options(
            num_cpus=need.threads,
            num_gpus=need.gpus,
            memory=need.memory_bytes,
            max_retries=0,
            scheduling_strategy=strategy(placement_group_bundle_index=rank),
        ).remote(content, rank, size, sums, _versions())
        for rank in range(size)
    ]
    waiting = list(tasks)
    first: tuple[str, int, bytes] | None = None
    try:
        while waiting:
            ready, waiting = ray.wait(waiting, timeout=SAID_SECONDS)
            for task in ready:
                message = ray.get(task)
                if message[0] == "failed":
                    return "failed", 0, message[2]
                first = message if task == tasks[0] else first
            said = ray.get(sums.said.remote())
            if said is not None:
                say(said)
    finally:
        for task in waiting:
            ray.cancel(task, force=True)
        ray.kill(sums)
    assert first is not None
    return first


class _Sums:
    """Adds up what the members of a gang bring; an actor, so that none of them need reach another."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: dict[int, Arrays] = {}
        self._all: asyncio.Future[Arrays] | None = None
        self._said: Any = None

    async def add(self, rank: int, arrays: Arrays) -> Arrays:
        """Return the sums once every member has brought its arrays."""
        if self._all is None:
            self._all = asyncio.get_running_loop().create_future()
        everybodys = self._all
        self._parts[rank] = arrays
        if len(self._parts) == self._size:
            everybodys.set_result(added([self._parts[one] for one in range(self._size)]))
            self._parts, self._all = {}, None
        return await everybodys

    async def say(self, said: Any) -> None:
        """Keep what rank 0 said last."""
        self._said = said

    async def said(self) -> Any:
        """Return what rank 0 said since the last time."""
        said, self._said = self._said, None
        return said


def _run_piece(content: bytes, number: int, expected: Mapping[str, str]) -> tuple[str, int, bytes]:
    """Run one piece, on whichever machine."""
    try:
        _require_versions(expected)
        work, piece = unpacked(content)
    except Exception as error:  # noqa: BLE001 - it is raised where the map is
        return "failed", number, packed_error(error)
    return ran(work, piece, number, lambda _: None)


def _run_member(
    content: bytes, rank: int, size: int, sums: Any, expected: Mapping[str, str]
) -> tuple[str, int, bytes]:
    """Run one member of a gang, on whichever machine."""
    import ray

    def work_of_member(content: bytes, heard: Heard) -> Any:
        _require_versions(expected)
        work, argument = unpacked(content)
        member = Member(rank, size, lambda arrays: ray.get(sums.add.remote(rank, list(arrays))), heard)
        return work(member, argument)

    return ran(work_of_member, content, rank, seldom(sums.say.remote) if rank == 0 else lambda _: None)


def _connected(address: str, need: Need, link: Link) -> ModuleType | None:
    """Return Ray, connected; where that cannot be, say why."""
    try:
        return _connect(address, need)
    except Exception as error:  # noqa: BLE001 - whatever Ray raises, it is raised where the map is
        words = f"Ray at {address} cannot be used: {error}"
        link.send("failed", 0, packed_error(error if isinstance(error, Unavailable) else Unavailable(words)))
        link.receive()
        return None


def _connect(address: str, need: Need) -> ModuleType:
    """Return Ray, connected to a cluster whose machines all have this one's versions.

    Raises:
        Unavailable: there is none, or one of them has others.
    """
    try:
        import ray
    except ImportError:
        raise Unavailable("Ray is not installed: pip install 'sartor[ray]'") from None
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _HEAD_SECONDS).close()
    except OSError as error:
        raise Unavailable(
            f"No Ray head answers at {address} ({error}): start it there with `ray start --head --port={port}`."
        ) from error
    ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, namespace="sartor")
    _require_machines(ray, need)
    found: ModuleType = ray
    return found


def _require_machines(ray: ModuleType, need: Need) -> None:
    """Make sure that each machine has this one's versions, and one of them room for the work.

    Raises:
        Unavailable: it is not so.
    """
    machines = _machines(ray)
    fits = [
        one
        for one in machines
        if one["Resources"]["CPU"] >= need.threads and one["Resources"].get("memory", 0) >= need.memory_bytes
    ]
    if machines and not fits:
        raise Unavailable(
            f"No machine of the Ray cluster has {need.threads} processors and {need.memory_bytes:,} bytes of memory "
            "for a piece of work: start larger nodes, or lower SARTOR_MEMORY_BYTES."
        )
    on = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    probe = ray.remote(num_cpus=0, max_retries=0)(_probe)
    asked = {
        one["NodeManagerAddress"]: probe.options(scheduling_strategy=on(one["NodeID"], soft=False)).remote()
        for one in machines
    }
    for machine, answer in asked.items():
        try:
            _require_same(_versions(), ray.get(answer, timeout=ANSWER_SECONDS), machine)
        except ray.exceptions.GetTimeoutError:
            raise Unavailable(f"The Ray node {machine} answers nothing in {ANSWER_SECONDS:.0f} s.") from None
        except ray.exceptions.RayError as error:
            raise Unavailable(f"The Ray node {machine} cannot run Sartor: {_line(error)}") from error


def _require_versions(expected: Mapping[str, str]) -> None:
    """Make sure that this machine, which may have come late, has the driver's versions."""
    _require_same(expected, _versions(), platform.node())


def _require_same(expected: Mapping[str, str], found: Mapping[str, str], machine: str) -> None:
    """Refuse a machine that has other versions than the driver.

    Raises:
        Unavailable: it has.
    """
    others = [
        f"{name} {found.get(name, 'none')} instead of {expected[name]}"
        for name in expected
        if found.get(name) != expected[name]
    ]
    if others:
        raise Unavailable(
            f"The Ray node {machine} has {', '.join(others)}: run one image on every machine of the cluster."
        )


@cache
def _versions() -> dict[str, str]:
    """Return what must be the same everywhere."""
    return {
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _probe() -> dict[str, str]:
    """Return what this machine has; a task."""
    return _versions()


def _machines(ray: ModuleType) -> list[dict[str, Any]]:
    """Return the nodes that take work."""
    return [one for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU", 0) >= 1]


def _room(ray: ModuleType, need: Need) -> int:
    """Return how many pieces are handed out at once; where few may run at once, no more than those."""
    in_flight = IN_FLIGHT * max(1, _slots(ray))
    return in_flight if need.most is None else need.at_once(in_flight)


def _slots(ray: ModuleType) -> int:
    """Return how many processors the cluster has."""
    return int(ray.cluster_resources().get("CPU", 0))


def _came(link: Link, wait: bool) -> list[Any]:
    """Return the messages that have come from the parent; wait for the first if there is nothing else to do."""
    found: list[Any] = []
    try:
        while not found or found[-1] is not None:
            found.append(link.receive(None if wait and not found else 0.0))
    except queue.Empty:
        pass
    return found


def _died(error: Exception) -> Unavailable:
    return Unavailable(f"Work on Ray ended {RUNS} times without an answer: {_line(error)}")


def _line(error: Exception) -> str:
    """Return the first line of what Ray says."""
    return str(error).strip().partition("\n")[0][:500]
