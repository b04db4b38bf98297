"""Ray clusters for tests whose nodes share nothing with the worker but an S3 service, and perhaps a database."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from bench.ray_cluster import Cluster

from s3_server import S3Server

#: The keys of the server and its worker, and those of the nodes; the S3 service tells them apart.
OURS = {"AWS_ACCESS_KEY_ID": "OURKEY", "AWS_SECRET_ACCESS_KEY": "secret-of-the-server"}
THEIRS = {"AWS_ACCESS_KEY_ID": "NODEKEY", "AWS_SECRET_ACCESS_KEY": "secret-of-the-nodes"}


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with S3Server() as service:
        yield service


#: Makes a cluster of two nodes of one processor each, with keys and a data folder of their own, and these variables.
MakeCluster = Callable[..., Cluster]


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    pytest.importorskip("ray", reason="Ray is not installed: make test-ray")
    with ExitStack() as opened:

        def made(**environment: str) -> Cluster:
            folder = tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True)
            opened.enter_context(folder)
            data = str(tmp_path / "node")
            found = Cluster(Path(folder.name), {**THEIRS, "SARTOR_DATA": data, **environment})
            opened.callback(found.stop)
            for _ in range(2):
                found.add()
            return found

        yield made


@pytest.fixture
def cluster(make_cluster: MakeCluster) -> Cluster:
    """Give a cluster whose nodes have nothing but S3."""
    return make_cluster()
