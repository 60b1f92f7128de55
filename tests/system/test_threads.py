"""Numbers of threads that no machine has are refused, or left out of the environment."""

import os
import subprocess
import sys

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


@pytest.mark.parametrize("value", ["abc", "0", "-3", "1000000", "9" * 5000, "2,x", "1.5", "\u0663", "4 4"])
@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "POLARS_MAX_THREADS"])
def test_a_variable_without_sense_is_left_out_and_told(monkeypatch, name, value):
    for other in threads.VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    (said,) = threads.mend_environment()
    assert said.startswith(f"{name} is ")
    assert len(said) < 150
    assert name not in os.environ


def test_an_empty_variable_is_left_out_without_a_word(monkeypatch):
    for other in threads.VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", " ")
    assert threads.mend_environment() == []
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("value", ["1", "8", " 2 ", "4,2"])
def test_one_with_sense_stays(monkeypatch, value):
    for other in threads.VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert threads.mend_environment() == []
    assert os.environ["OMP_NUM_THREADS"] == value


@pytest.mark.parametrize(
    ("variables", "number"),
    [({}, 4), ({"OMP_NUM_THREADS": "1"}, 1), ({"OMP_NUM_THREADS": "3,2"}, 3), ({"OMP_NUM_THREADS": "64"}, 4),
     ({"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "3"}, 3), ({"OMP_NUM_THREADS": "x"}, 4)],
)  # fmt: skip
def test_what_torch_will_take_follows_from_variables_and_cores(monkeypatch, variables, number):
    monkeypatch.setattr(threads.cores, "physical", lambda: 4)
    for other in threads.VARIABLES:
        monkeypatch.delenv(other, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert threads.chosen() == number


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{}, {"OMP_NUM_THREADS": "1"}])
def test_it_is_what_torch_takes(variables):
    environment = {name: value for name, value in os.environ.items() if name not in threads.VARIABLES} | variables
    code = "import torch; from biasloop.system import threads; print(torch.get_num_threads(), threads.chosen())"
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    torchs, ours = ran.stdout.split()
    assert torchs == ours
