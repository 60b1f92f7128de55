"""Writes `tests/store/golden/v1`: a run of this format's version, kept for good so that later versions must read it.

Run once a format version, from the root of the repository: `python tests/store/make_golden.py`.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "toy_plugin" / "src")]

from support.loops import OPTIONS, toy_experiment, toy_prepared  # noqa: E402

from biasloop.running import engine, provenance  # noqa: E402

EXPERIMENT = toy_experiment(loop={"start": 20, "human": 2, "model": 6, "rounds": 3}, pool=60, test=10, labels="bits")

if __name__ == "__main__":
    provenance.environment = lambda domain: {"biasloop": "0.1.0", "host": "golden", "device": "cpu", "threads": "1"}
    engine.run(toy_prepared(EXPERIMENT), HERE / "golden" / "v1", OPTIONS)
    for name in (".lock", ".holder.json"):
        (HERE / "golden" / "v1" / name).unlink(missing_ok=True)
