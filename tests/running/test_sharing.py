"""Several processes make one study: each run and each shared call once, whoever is killed or suspended meanwhile."""

import subprocess
import sys
from pathlib import Path

import pytest

SHARING = Path(__file__).parent / "sharing.py"


@pytest.mark.parametrize(
    ("what", "times"),
    [
        ("together", "10"),
        ("killed", "50"),
        ("suspended", "1"),
        pytest.param("suspended", "20", marks=pytest.mark.slow),
        pytest.param("killed", "400", marks=pytest.mark.slow),
    ],
)
def test_a_study_that_several_processes_make_is_that_of_one(tmp_path, what, times):
    command = [sys.executable, str(SHARING), str(tmp_path), what, times]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
