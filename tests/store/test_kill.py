"""Killed at random moments, resumed, and bit-identical to a run that nobody killed (`killing.py` does it)."""

import subprocess
import sys
from pathlib import Path

import pytest

KILLING = Path(__file__).parent / "killing.py"


def killing(*arguments):
    return subprocess.run([sys.executable, str(KILLING), *arguments], capture_output=True, text=True, check=False)


def test_a_hundred_kills_change_no_bit(tmp_path):
    done = killing(str(tmp_path), "100")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 100


def test_killed_at_every_moment_of_a_checkpoint(tmp_path):
    done = killing(str(tmp_path), "checkpoint")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("stage", ["model", "round", "manifest"])
def test_killed_between_two_renames(tmp_path, stage):
    done = killing(str(tmp_path), "between", stage)
    assert done.returncode == 0, done.stderr
