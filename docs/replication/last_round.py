"""Bias and bound of the last round, over the seeds of each arm: `python docs/replication/last_round.py runs/images`."""

import sys
from pathlib import Path

import numpy as np

from biasloop.metrics.intervals import over_seeds
from biasloop.report.arms import open_runs
from biasloop.report.tables.against_bound import compare
from biasloop.store.reader import Run


def changes(run: Run) -> dict[str, float]:
    """Of a run: bias at first and at last, what it grew by, and what it is above the bound (below 0: within it)."""
    found = compare(run)
    first, last, bound = (abs(float(found.bias[0])), abs(float(found.bias[-1])), abs(float(found.bound[-1])))
    return {"first": first, "last": last, "growth": last - first, "bound": bound, "above bound": last - bound}


def main(folder: Path) -> None:
    """Print a line for each arm and quantity: mean, 95 % t interval, seeds."""
    arms: dict[str, list[dict[str, float]]] = {}
    for run in open_runs([folder]):
        if run.rounds:
            arms.setdefault(run.directory.parent.name, []).append(changes(run))
    for arm, runs in arms.items():
        for name in runs[0]:
            spread = over_seeds(np.array([run[name] for run in runs]))
            print(f"{arm:45} {name:12} {spread.mean:+.3f} ({spread.low:+.3f} to {spread.high:+.3f}) n={spread.n}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
