"""What ``sartor doctor`` says of trainings."""

from dataclasses import replace
from pathlib import Path

import pytest

from sartor import doctor, settings
from sartor.cli import cli

torch = pytest.importorskip("torch")


@pytest.fixture
def here(tmp_path: Path) -> settings.Settings:
    return settings.load({"data": str(tmp_path)})


def test_it_names_the_gpu_that_trainings_use(
    here: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    finding = doctor._training(here)
    assert finding.ok
    assert "on Some GPU" in finding.text


def test_it_says_that_there_is_no_gpu(here: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "on the processor" in doctor._training(here).text


def test_it_says_why_only_linear_models_are_trained(
    here: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "sequence_models is off" in doctor._training(replace(here, sequence_models="off")).text
    monkeypatch.setattr(doctor, "has_sequence_model", lambda: False)
    assert "pip install 'sartor[torch]'" in doctor._training(here).text


def test_it_says_where_pieces_of_work_run(tmp_path: Path) -> None:
    for compute, words in (("here", "in the worker itself"), ("processes:3", "up to 3 processes")):
        finding = doctor._compute(settings.load({"data": str(tmp_path), "compute": compute}))
        assert finding.ok
        assert words in finding.text


def test_it_says_why_no_piece_of_work_can_run(
    here: settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    finding = doctor._compute(replace(here, compute="processes:1"))
    assert not finding.ok
    assert "/nowhere/python" in finding.text


@pytest.mark.parametrize("command", ["serve", "worker", "doctor"])
def test_whoever_works_or_looks_after_it_can_be_told_where_pieces_run(command: str) -> None:
    assert "--compute" in [word for option in cli.commands[command].params for word in option.opts]
