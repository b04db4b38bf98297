"""The simulator of the benchmarks replays a job's pieces on so many nodes."""

import pytest
from bench.simulator import Cluster, Cost, simulated

FAST = 1e12
#: A second of a processor for a piece of a million rows; no bytes, nothing fixed.
PLAIN = Cost(0.0, 0.0, 1e-6, 0.0, 0.0, piece_rows=1_000_000)


def cluster(nodes: int, cores: int, node: float = FAST, store: float = FAST) -> Cluster:
    return Cluster(nodes, cores, node, store)


@pytest.mark.parametrize(
    ("nodes", "cores", "seconds"), [(1, 1, 8), (2, 1, 4), (2, 2, 2), (4, 16, 1), (3, 1, 3)]
)
def test_pieces_go_to_whichever_processor_is_free(nodes: int, cores: int, seconds: float) -> None:
    found = simulated(PLAIN, 8_000_000, cluster(nodes, cores))
    assert found.seconds == pytest.approx(seconds)
    assert found.cpu_seconds == pytest.approx(8)


def test_a_job_that_is_not_in_pieces_is_one_process_wherever_it_runs() -> None:
    whole = Cost(1.0, 0.0, 1e-6, 0.0, 0.0, cores=1.5)
    assert simulated(whole, 30_000_000, cluster(1, 2)).seconds == pytest.approx(1 + 20)
    assert simulated(whole, 30_000_000, cluster(8, 2)).seconds == pytest.approx(1 + 20)


def test_few_rows_are_one_process_with_no_piece_to_start() -> None:
    few = Cost(0.0, 0.0, 1e-6, 0.0, 0.0, piece_rows=1_000_000, start_seconds=1.0)
    assert simulated(few, 1_999_999, cluster(2, 1)).cpu_seconds == pytest.approx(2)
    assert simulated(few, 2_000_000, cluster(2, 1)).cpu_seconds == pytest.approx(2 + 2)


def test_processors_of_a_node_share_its_network_and_all_that_of_the_storage() -> None:
    moving = Cost(0.0, 0.0, 0.0, 60.0, 40.0, piece_rows=1_000_000)  # 100 MB a piece
    assert simulated(moving, 8_000_000, cluster(2, 2, node=1e8)).seconds == pytest.approx(4)
    found = simulated(moving, 8_000_000, cluster(2, 2, store=1e8))
    assert found.seconds == pytest.approx(8)
    assert found.bound == "bytes"


def test_what_one_process_does_is_the_bound_once_there_are_machines_enough() -> None:
    alone = Cost(0.0, 1e-7, 1e-6, 0.0, 0.0, piece_rows=1_000_000, start_seconds=0.1)
    few, many = (simulated(alone, 100_000_000, cluster(nodes, 4)) for nodes in (1, 100))
    assert few.bound == "compute"
    assert many.bound == "alone"
    assert many.seconds == pytest.approx(10 + 1.1)
    assert many.cpu_seconds == pytest.approx(10 + 100 + 10)
