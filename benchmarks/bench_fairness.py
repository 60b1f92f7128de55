"""Group metrics of 10,000 predictions: one table of counts against fairlearn's MetricFrame.

Both in the same process, the same seven measures by group, overall, and their differences, ratios, smallest and
largest; ours with standard errors, demographic parity and equalised odds beside them. The reference gets arrays, as
the published code gives it. Run as a script, it prints the ratio; `pytest benchmarks/bench_fairness.py` times each
with pytest-benchmark. Fact sheet: 256 ms for MetricFrame.
"""

import statistics
import time

import fairlearn.metrics as reference
import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from biasloop.metrics.fairness import aggregates, by_group, counts, fairness

ROWS = 10_000
RNG = np.random.default_rng(0)
GROUP, TARGET = RNG.integers(0, 2, (2, ROWS))
PREDICTION = np.where(RNG.random(ROWS) < 0.2 + 0.1 * GROUP, 1 - TARGET, TARGET)
METRICS = {
    "accuracy": accuracy_score,
    "selection_rate": reference.selection_rate,
    "count": reference.count,
    "tpr": reference.true_positive_rate,
    "tnr": reference.true_negative_rate,
    "fpr": reference.false_positive_rate,
    "fnr": reference.false_negative_rate,
}


def metric_frame():
    frame = reference.MetricFrame(metrics=METRICS, y_true=TARGET, y_pred=PREDICTION, sensitive_features=GROUP)
    between = np.array([frame.difference(), frame.ratio(), frame.group_min(), frame.group_max()])
    return between, frame.by_group.to_numpy()


def table_of_counts():
    table = counts(TARGET, PREDICTION, GROUP, 2)
    fairness(table)
    measures = by_group(table)
    return aggregates(measures), measures


WAYS = {"MetricFrame": metric_frame, "table of counts": table_of_counts}


@pytest.mark.parametrize("way", WAYS)
def test_fairness(benchmark, way):
    between, _ = benchmark(WAYS[way])
    assert between == pytest.approx(metric_frame()[0], abs=1e-12)


def seconds(repeats=15, inner=50):
    """Seconds of each way; median of alternating repeats after one that does not count."""
    times = {name: [] for name in WAYS}
    for _ in range(repeats + 1):
        for name, way in WAYS.items():
            calls = 1 if name == "MetricFrame" else inner
            start = time.perf_counter()
            for _ in range(calls):
                way()
            times[name].append((time.perf_counter() - start) / calls)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


if __name__ == "__main__":
    found = seconds()
    for name, took in found.items():
        print(f"{name:>16}: {1e3 * took:9.3f} ms")
    slow, fast = found.values()
    print(f"{'ratio':>16}: {slow / fast:9,.0f} x")
