"""Writes `tests/store/golden/v2`: a run of this format's version, kept for good so that later versions must read it.

Run once a format version, from the root of the repository: `python tests/store/make_golden.py`. What it wrote of
version 1 is `tests/store/golden/v1`, of `EXPERIMENT`.
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "toy_plugin" / "src")]

from support.loops import OPTIONS, toy_experiment  # noqa: E402
from support.weighing import Heeding, Weighing  # noqa: E402

from biasloop.config.experiment import Experiment  # noqa: E402
from biasloop.contract.context import Context  # noqa: E402
from biasloop.contract.randomness import Streams  # noqa: E402
from biasloop.feedback import rules  # noqa: E402
from biasloop.running import engine, provenance  # noqa: E402
from biasloop.running.engine import Prepared  # noqa: E402

EXPERIMENT = toy_experiment(loop={"start": 20, "human": 2, "model": 6, "rounds": 3}, pool=60, test=10, labels="bits")


def weighed() -> Prepared:
    """A run whose rows have weights, propensities and inputs; its rule has to be in `rules.RULES`."""
    settings = {"pool": 60, "test": 10, "labels": "bits"}
    loop = {"rule": "weighing", "start": 20, "step": 5, "rounds": 3, "generated": True}
    experiment = Experiment.model_validate({"name": "heed", "domain": {"name": "toy", **settings}, "loop": loop})
    domain = Heeding(Heeding.Config.model_validate(settings), Context(Path("unused"), Streams((0, "data"))))
    return Prepared(experiment, 0, domain, Weighing(experiment.loop, domain, "toy", Streams((0,))))


if __name__ == "__main__":
    rules.RULES["weighing"] = Weighing
    provenance.environment = lambda domain: {"biasloop": "0.1.0", "host": "golden", "device": "cpu", "threads": "1"}
    engine.run(weighed(), HERE / "golden" / "v2", OPTIONS)
    for claim in (HERE / "golden" / "v2").glob(".claim-*"):
        shutil.rmtree(claim)
