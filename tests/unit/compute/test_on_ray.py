"""What is said where a Ray cluster cannot be used."""

import importlib.util

import pytest

from sartor.compute import on_ray
from sartor.compute.on_ray import OnRay
from sartor.errors import Unavailable


def test_a_node_with_other_versions_is_named_with_what_differs() -> None:
    expected = {"Python": "3.11.7", "sartor": "0.2.0", "duckdb": "2.0.0"}
    on_ray._require_same(expected, dict(expected), "10.0.0.7")
    with pytest.raises(Unavailable) as refused:
        on_ray._require_same(expected, {"Python": "3.11.7", "sartor": "0.1.0"}, "10.0.0.7")
    words = "The Ray node 10.0.0.7 has sartor 0.1.0 instead of 0.2.0, duckdb none instead of 2.0.0"
    assert str(refused.value).startswith(words)


def test_every_machine_says_what_must_be_the_same() -> None:
    assert set(on_ray._versions()) == {"Python", "sartor", "duckdb", "numpy"}


def test_it_says_what_is_missing() -> None:
    there = importlib.util.find_spec("ray") is not None
    words = "No Ray head answers at 127.0.0.1:1" if there else r"pip install 'sartor\[ray\]'"
    with pytest.raises(Unavailable, match=words):
        OnRay("127.0.0.1:1").check()
