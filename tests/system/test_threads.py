"""Numbers of threads that no machine has are refused, or left out of the environment."""

import os

import pytest

from biasloop.errors import InvalidInput
from biasloop.system import threads
from biasloop.training.device import computing


@pytest.mark.parametrize("number", [-1, 1_000_000, 10**30, -(10**30)])
def test_a_number_that_cannot_be_had_is_refused(number):
    with pytest.raises(InvalidInput, match=f"--threads {number}: expected a number from 0"):
        threads.check(number)
    with pytest.raises(InvalidInput), computing(number):
        pass


def test_every_number_that_can_be_had_passes():
    for number in (0, 1, os.cpu_count(), threads.most()):
        threads.check(number)


@pytest.mark.parametrize("value", ["abc", "", "0", "-3", "1000000", "9" * 5000, "2,x", "1.5", "\u0663", "4 4"])
@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "POLARS_MAX_THREADS"])
def test_a_variable_without_sense_is_left_out_and_told(monkeypatch, name, value):
    for other in threads.VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    (said,) = threads.mend_environment()
    assert said.startswith(f"{name} is ")
    assert len(said) < 150
    assert name not in os.environ


@pytest.mark.parametrize("value", ["1", "8", " 2 ", "4,2"])
def test_one_with_sense_stays(monkeypatch, value):
    for other in threads.VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert threads.mend_environment() == []
    assert os.environ["OMP_NUM_THREADS"] == value
