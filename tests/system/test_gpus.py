"""How many GPUs torch will see, told without it."""

import pytest
import torch

from biasloop.system import gpus


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Where a driver says that there are four GPUs, for a torch with CUDA."""
    monkeypatch.setattr(gpus, "version", lambda _: "2.9.0+cu130")
    for number in range(4):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("chosen", "count"),
    [(None, 4), ("", 0), ("0", 1), ("1,3", 2), ("-1", 0), ("0,-1,2", 1), ("GPU-1a2b,GPU-3c4d", 2), ("0,1,2,3,4", 4)],
)
def test_those_count_that_the_process_was_given(driver, monkeypatch, chosen, count):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert gpus.visible(driver) == count


def test_without_a_driver_or_with_a_torch_without_cuda_there_are_none(driver, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus.visible(driver / "absent") == 0
    monkeypatch.setattr(gpus, "version", lambda _: "2.9.0+cpu")
    assert gpus.visible(driver) == 0


def test_here_it_is_what_torch_says():
    assert gpus.visible() == torch.cuda.device_count()
