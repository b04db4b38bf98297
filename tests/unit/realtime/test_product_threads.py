"""How many threads a product takes follows what is served."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sartor.realtime.product_threads import ProductThreads


@pytest.fixture
def four_threads() -> Iterator[None]:
    with threadpool_limits(limits=4, user_api="blas"):
        yield


def threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_small_catalogue_takes_one_thread_and_a_large_one_all(four_threads: None) -> None:
    if threads() != {4}:
        pytest.skip("NumPy's products have no threads here")
    products = ProductThreads()
    products.fit(4_000)
    assert threads() == {1}
    products.fit(1_000_000)
    assert threads() == {4}
