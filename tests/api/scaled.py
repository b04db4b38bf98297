"""The parts of a service that scale: PostgreSQL, an S3 service for data and tables, servers and workers apart."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.conftest import Client
from s3_server import S3Server
from sartor.demo.server import Server

_NUMBERS = itertools.count()


class Remote(Client):
    """A client whose bucket is one of the S3 service."""

    def __init__(self, server: Server, s3: S3Server) -> None:
        super().__init__(server, Path())
        self.s3 = s3

    def write(self, key: str, content: str | bytes) -> str:
        self.s3.objects[f"training/{key}"] = content if isinstance(content, bytes) else content.encode()
        return key


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with S3Server() as service:
        yield service


@pytest.fixture
def database(postgres_url: str) -> str:
    """Give an empty PostgreSQL database."""
    server = sa.make_url(postgres_url).set(drivername="postgresql+psycopg")
    name = f"scaled_{next(_NUMBERS)}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)


@contextmanager
def worker(*options: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "sartor", "worker", *options])
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(20) == 0
