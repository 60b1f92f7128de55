"""A million predictions: the metrics alone, the whole command from Parquet and from CSV, and sample by sample.

The reference is plain Python, one pass over the rows for each metric and counts in dictionaries; it computes the same
numbers, which are compared. Once it walks over arrays, each number made a Python scalar when its sample comes, which is
how published measurement code does it; once over lists that were made before, which is the best that Python can do.
Reading and starting are in the command's times and not in the ratio; beside them stand a process that only starts and
one that only reads. Run as a script, it prints a table (`--rows 100000` for a short one); `pytest
benchmarks/bench_evaluate.py` times the metrics alone.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from biasloop.metrics.amplification import amplification, joint_counts, tables
from biasloop.metrics.calibration_intervals import errors, moments
from biasloop.metrics.fairness import counts
from biasloop.metrics.fairness_intervals import measured

TASKS = 10
COLUMNS = ["--task", "y", "--predicted", "p"]
COMMANDS = {
    "amplification": [*COLUMNS, "--attribute", "a"],
    "calibration": [*COLUMNS, "--confidence", "c"],
    "fairness": [*COLUMNS, "--attribute", "a", "--positive", "1"],
    "shares": COLUMNS,
}


def predictions(rows):
    """Attribute, true class, predicted class and confidence."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 2, rows)
    y = np.where(rng.random(rows) < 0.2 * a, 1, rng.integers(0, TASKS, rows))
    c = rng.uniform(0.1, 1, rows)
    return {"a": a, "y": y, "p": np.where(rng.random(rows) < c, y, rng.integers(0, TASKS, rows)), "c": c}


def amplified(rows):
    return amplification(*tables(joint_counts(rows["a"], rows["y"], rows["p"], (2, TASKS)))).total


def calibrated(rows):
    return errors(moments(rows["c"], rows["y"] == rows["p"]))[0]


def fair(rows):
    target, prediction = ((rows[name] == 1).astype(np.int64) for name in ("y", "p"))
    return measured(counts(target, prediction, rows["a"], 2))["equalized_odds_difference"]


def scalars(*columns):
    """Sample by sample, Python numbers."""
    if isinstance(columns[0], list):
        return zip(*columns, strict=True)
    return (tuple(column[i].item() for column in columns) for i in range(len(columns[0])))


def amplified_by_sample(rows):
    true, guessed, groups, tasks = defaultdict(int), defaultdict(int), defaultdict(int), defaultdict(int)
    n = 0
    for a, y, p in scalars(rows["a"], rows["y"], rows["p"]):
        true[a, y] += 1
        guessed[a, p] += 1
        groups[a] += 1
        tasks[y] += 1
        n += 1
    total = 0.0
    for a in groups:
        for t in tasks:
            delta = (guessed[a, t] - true[a, t]) / groups[a]
            total += delta if true[a, t] * n > groups[a] * tasks[t] else -delta
    return total / len(groups) / len(tasks)


def calibrated_by_sample(rows, bins=15):
    seen, right, summed = [0] * bins, [0] * bins, [0.0] * bins
    for c, y, p in scalars(rows["c"], rows["y"], rows["p"]):
        place = int(c * bins)
        if place and place / bins == c:
            place -= 1
        seen[place] += 1
        right[place] += y == p
        summed[place] += c
    return sum(abs(k - s) for k, s in zip(right, summed, strict=True)) / sum(seen)


def fair_by_sample(rows):
    cells = defaultdict(int)
    for a, y, p in scalars(rows["a"], rows["y"], rows["p"]):
        cells[a, y == 1, p == 1] += 1
    groups = {a for a, _, _ in cells}
    spread = []
    for y in (True, False):
        rates = [cells[a, y, True] / (cells[a, y, True] + cells[a, y, False]) for a in groups]
        spread.append(max(rates) - min(rates))
    return max(spread)


METRICS = {
    "amplification": (amplified, amplified_by_sample),
    "calibration": (calibrated, calibrated_by_sample),
    "fairness": (fair, fair_by_sample),
}


@pytest.mark.parametrize("name", METRICS)
def test_metric(benchmark, name):
    rows = predictions(100_000)
    ours, by_sample = METRICS[name]
    assert benchmark(ours, rows) == pytest.approx(by_sample({k: v.tolist() for k, v in rows.items()}), abs=1e-9)


def seconds(call, repeats):
    """Median of repeats after one that does not count."""
    found = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


def process(*arguments):
    """Run the program as a person does."""
    script = "import sys; from biasloop.cli.main import main; sys.argv[0] = 'biasloop'; main()"
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, timeout=600
    )
    return ran.stdout


READ = (
    "import sys; from pathlib import Path; from biasloop.predictions import counted, open_source; "
    "counted(open_source(Path(sys.argv[1])), ['a', 'y', 'p'])"
)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    size = parser.parse_args().rows
    rows = predictions(size)
    lists = {name: column.tolist() for name, column in rows.items()}
    print(f"{f'{size:,} rows, the metric alone':>29}         ours    over arrays              over lists")
    for name, (ours, by_sample) in METRICS.items():
        assert abs(ours(rows) - by_sample(lists)) < 1e-9
        fast = seconds(lambda ours=ours: ours(rows), 15)
        slow = [seconds(lambda way=by_sample, given=given: way(given), 3) for given in (rows, lists)]
        print(f"{name:>29}: {1e3 * fast:8.1f} ms" + "".join(f"{1e3 * s:10.0f} ms {s / fast:8,.0f} x" for s in slow))
    with tempfile.TemporaryDirectory() as place:
        frame = pl.DataFrame(rows)
        paths = {form: str(Path(place) / f"p.{form}") for form in ("parquet", "csv")}
        frame.write_parquet(paths["parquet"])
        frame.write_csv(paths["csv"])
        print("the whole command, a process   " + "".join(f"{form:>12}" for form in paths))
        for name, options in COMMANDS.items():
            took = []
            for path in paths.values():
                assert json.loads(process("evaluate", name, path, *options, "--json"))["n"] == size
                took.append(seconds(lambda name=name, path=path, o=options: process("evaluate", name, path, *o), 3))
            print(f"{name:>29}: " + "".join(f"{one:>10.2f} s" for one in took))
        start = seconds(lambda: process("evaluate", "--help"), 3)
        read = [
            seconds(lambda path=path: subprocess.run([sys.executable, "-c", READ, path], check=True), 3)
            for path in paths.values()
        ]
        print(f"{'only starting':>29}: {start:>10.2f} s")
        print(f"{'only polars and reading':>29}: " + "".join(f"{one:>10.2f} s" for one in read))


if __name__ == "__main__":
    main()
