"""One suite, every executor: what is promised of pieces and gangs holds wherever they run."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.ray_cluster import Cluster

import compute_work
from sartor.compute import open_compute
from sartor.compute.contract import Compute, Need
from sartor.errors import ApiError, JobFailed, NotYet, Stopped, Unavailable

NEED = Need(50_000_000)
#: Until what was killed is gone, in seconds.
GONE_SECONDS = 15.0


#: Those that can end what does not hear; the caller's own thread cannot be ended, but the worker's process is, later.
KILLING = ["processes:2", "ray"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Give a Ray cluster of two nodes of one processor each."""
    pytest.importorskip("ray", reason="Ray is not installed: make test-ray")
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        found = Cluster(Path(folder), {"PYTHONPATH": str(Path(compute_work.__file__).parent)})
        try:
            for _ in range(2):
                found.add()
            yield found
        finally:
            found.stop()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Give what a setting calls the executor."""
    is_ray = request.param == "ray"
    return f"ray:{request.getfixturevalue('cluster').address}" if is_ray else str(request.param)


@pytest.fixture
def compute(name: str) -> Compute:
    """Give the executor."""
    return open_compute(name)


every = pytest.mark.parametrize("name", ["here", *KILLING], indirect=True)
#: Of those that can end what does not hear.
killing = pytest.mark.parametrize("name", KILLING, indirect=True)


def results(compute: Compute, work: Callable[..., Any], pieces: list[Any]) -> list[Any]:
    """Run pieces and return what comes of them, each once."""
    found: dict[int, Any] = {}

    def done(number: int, result: Any) -> None:
        assert number not in found
        found[number] = result

    compute.map(work, pieces, NEED, done=done, stop=lambda: False)
    return [found[number] for number in range(len(pieces))]


def once_there(folder: Path) -> Callable[[], bool]:
    """Return a ``stop`` that says so once work has left a file."""
    return lambda: any(folder.iterdir())


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def assert_gone(folder: Path) -> None:
    """Wait for the end of the processes whose work left a file."""
    end = time.monotonic() + GONE_SECONDS
    while left := [name for name in (path.name for path in folder.iterdir()) if is_running(int(name))]:
        assert time.monotonic() < end, left
        time.sleep(0.05)


@every
def test_each_piece_is_done_once(compute: Compute) -> None:
    assert results(compute, compute_work.squared, list(range(30))) == [n * n for n in range(30)]
    assert results(compute, compute_work.squared, []) == []


@every
def test_what_is_done_is_told_in_the_callers_thread_and_may_end_the_map(compute: Compute) -> None:
    def done(number: int, result: int) -> None:
        raise LookupError(f"{number} {result}")

    with pytest.raises(LookupError, match="0 9"):
        compute.map(compute_work.squared, [3], NEED, done=done, stop=lambda: False)


@every
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("api", ApiError("LimitExceededException", "Too many.")),
        ("not yet", NotYet("ResourceNotFoundException", "Not there.")),
        ("job", JobFailed("The file is broken.")),
        ("os", OSError(28, "No space left on device")),
        ("own", compute_work.OwnError(1, where="here")),
    ],
)
def test_what_work_raises_reaches_the_caller_as_it_is(compute: Compute, kind: str, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        results(compute, compute_work.fails, [kind])
    assert type(raised.value) is type(error)
    assert str(raised.value) == str(error)
    told = {name: value for name, value in vars(raised.value).items() if name != "__notes__"}
    assert told == vars(error)


@killing
def test_a_result_that_cannot_be_sent_is_an_error_and_not_a_death(compute: Compute) -> None:
    with pytest.raises(Exception, match="pickle"):
        results(compute, compute_work.returns_what_cannot_be_sent, [0])


@every
def test_work_that_listens_says_how_far_it_is_and_stops(compute: Compute, name: str, tmp_path: Path) -> None:
    said: list[tuple[int, Any]] = []
    silent, began = name.startswith("ray:"), once_there(tmp_path)
    with pytest.raises(Stopped):
        compute.map(
            compute_work.listens,
            [str(tmp_path)],
            NEED,
            done=lambda *_: None,
            stop=lambda: began() if silent else len(said) > 1,
            progress=lambda number, what: said.append((number, what)),
        )
    assert silent or set(map(repr, said)) == {repr((0, {"at": "work"}))}


@every
def test_no_more_pieces_run_at_once_than_is_said(compute: Compute, tmp_path: Path) -> None:
    found: list[int] = []
    compute.map(
        compute_work.beside_how_many,
        [str(tmp_path)] * 4,
        NEED._replace(most=1),
        done=lambda _, others: found.append(others),
        stop=lambda: False,
    )
    assert found == [1] * 4


@every
def test_a_stop_before_the_first_piece_starts_none(compute: Compute, tmp_path: Path) -> None:
    pieces = [(str(tmp_path), 0)]
    with pytest.raises(Stopped):
        compute.map(compute_work.counted, pieces, NEED, done=lambda *_: None, stop=lambda: True)
    assert list(tmp_path.iterdir()) == []


@killing
def test_a_stop_is_heard_though_work_hangs_in_c(compute: Compute, tmp_path: Path) -> None:
    stop, told = once_there(tmp_path), []

    def stopped() -> bool:
        told.extend([time.monotonic()] if stop() and not told else [])
        return bool(told)

    with pytest.raises(Stopped):
        compute.map(compute_work.hangs, [str(tmp_path)] * 3, NEED, done=lambda *_: None, stop=stopped)
    assert time.monotonic() - told[0] < 2
    assert_gone(tmp_path)


@killing
def test_a_piece_whose_process_dies_runs_again(compute: Compute, tmp_path: Path) -> None:
    pieces = [(str(tmp_path), number) for number in range(4)]
    assert results(compute, compute_work.dies_once, pieces) == [0, 1, 2, 3]


@killing
def test_a_piece_that_always_kills_its_process_ends_the_map(compute: Compute) -> None:
    with pytest.raises(Unavailable, match="ended 3 times"):
        results(compute, compute_work.dies, [0])


@killing
def test_an_error_of_one_piece_ends_the_others(compute: Compute, tmp_path: Path) -> None:
    def done(_number: int, _result: int) -> None:
        raise JobFailed("enough")

    with pytest.raises(JobFailed):
        compute.map(
            compute_work.returns_first_hangs_then, [None, str(tmp_path)], NEED, done=done, stop=lambda: False
        )
    assert_gone(tmp_path)


@killing
def test_when_the_caller_dies_so_do_the_pieces(name: str, tmp_path: Path) -> None:
    caller = subprocess.Popen([sys.executable, compute_work.__file__, name, str(tmp_path)])
    while not list(tmp_path.iterdir()):
        time.sleep(0.05)
        assert caller.poll() is None
    caller.kill()
    caller.wait()
    assert_gone(tmp_path)


@killing
def test_pieces_of_two_callers_do_not_disturb_each_other(compute: Compute) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        maps = [pool.submit(results, compute, compute_work.squared, list(range(9))) for _ in range(2)]
        assert [one.result() for one in maps] == [[n * n for n in range(9)]] * 2


@every
def test_a_gang_adds_arrays_alike_every_time(compute: Compute) -> None:
    said: list[Any] = []

    def run() -> Any:
        return compute.together(compute_work.summed, 3, NEED, progress=said.append, stop=lambda: False)

    size, values, ranks = run()
    assert size == compute.slots
    assert ranks == [sum(range(size))]
    expected = sum(0.1 * (rank + 1) * 3 for rank in range(size)) * size * size
    assert np.allclose(values, expected)
    assert run() == (size, values, ranks)
    assert said
    assert all("step" in one for one in said)


@every
def test_sums_are_of_any_size_and_type(compute: Compute) -> None:
    found = compute.together(
        compute_work.sums_of_all_kinds, None, NEED, progress=lambda _: None, stop=lambda: False
    )
    n = compute.slots
    assert found == [
        [
            ((size,), "int64", float(n * size * (size - 1) // 2)),
            ((2, size), "float32", float(2 * size * n * (n + 1) // 2)),
            ((), "float64", 0.5 * n),
            ((0, 4), "int8", 0.0),
        ]
        for size in (3, 5_000, 70_000, 2)
    ]


@every
def test_a_gang_is_no_larger_than_is_needed(compute: Compute) -> None:
    need = NEED._replace(most=1)
    assert (
        compute.together(compute_work.size_of_gang, None, need, progress=lambda _: None, stop=lambda: False)
        == 1
    )


@every
def test_what_a_member_raises_ends_the_gang(compute: Compute) -> None:
    with pytest.raises(JobFailed, match=r"One of the gang broke\."):
        compute.together(compute_work.member_fails, None, NEED, progress=lambda _: None, stop=lambda: False)


@every
def test_a_gang_hears_a_stop(compute: Compute, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        compute.together(
            compute_work.member_listens,
            str(tmp_path),
            NEED,
            progress=lambda _: None,
            stop=once_there(tmp_path),
        )


@killing
def test_a_gang_that_hangs_in_c_is_ended(compute: Compute, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        compute.together(
            compute_work.member_hangs,
            str(tmp_path),
            NEED,
            progress=lambda _: None,
            stop=once_there(tmp_path),
        )
    assert_gone(tmp_path)


@killing
def test_a_gang_of_which_one_dies_begins_again(compute: Compute, tmp_path: Path) -> None:
    total = compute.together(
        compute_work.member_dies_once, str(tmp_path), NEED, progress=lambda _: None, stop=lambda: False
    )
    assert total == compute.slots


def test_pieces_of_a_machine_that_dies_run_on_another(cluster: Cluster, tmp_path: Path) -> None:
    third, going = cluster.add(), tmp_path / "go"

    def killed() -> bool:
        if len(list(tmp_path.iterdir())) == 3 and not going.exists():  # one on each machine
            third.kill()
            going.touch()
        return False

    found: dict[int, int] = {}
    open_compute(f"ray:{cluster.address}").map(
        compute_work.waits,
        [(str(tmp_path), number) for number in range(9)],
        NEED,
        done=found.__setitem__,
        stop=killed,
    )
    assert found == {number: number for number in range(9)}
    assert going.exists()


@every
def test_it_says_what_would_be_used(compute: Compute) -> None:
    assert compute.check()


@pytest.mark.parametrize("text", ["", "there", "processes", "processes:0", "processes:-1", "here:1"])
def test_what_names_no_executor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        open_compute(text)
