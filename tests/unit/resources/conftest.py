"""A control plane in memory speed, for the tests of rules: one SQLite file for all tests of a module."""

from collections.abc import Iterator
from typing import Any

import pytest

from contract.conftest import Files, Service
from sartor.resources.store import Store


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('rules') / 'sartor.db'}")
    yield Service(store, Files(), quotas_on=False)
    store.close()
