"""What Ray costs a run: runs of `quickstart-mini` on a Ray of this machine, and the same ones in this process."""

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.running import study
from biasloop.running.engine import Event, Options
from biasloop.running.executors import InProcess
from biasloop.running.on_ray import OnRay
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended
from biasloop.system import cores

RUNS = 12
OPTIONS = Options(Path("data"), device="cpu", threads=1, interval=1e9)


@dataclass
class Clock:
    """When each run ended."""

    ends: list[float] = field(default_factory=list)

    def start(self, planned: Planned) -> None:
        """Nothing is noted."""

    def event(self, planned: Planned, event: Event) -> None:
        """Nothing is noted."""

    def end(self, ended: Ended) -> None:
        """A run has ended."""
        assert ended.outcome is not None, ended.error
        self.ends.append(time.perf_counter())


def seconds_a_run(executor, at_once: int, directory: str) -> float:
    """Time between the ends of two runs, times how many go on at once; without the first ones, which load modules."""
    clock = Clock()
    preset = presets.read("quickstart-mini").vary({"loop.human": [20]}, "this benchmark")
    planned = study.plan(arms_of(preset), range(RUNS), Path(directory), OPTIONS)
    executor.run(planned, OPTIONS, clock)
    steady = clock.ends[2 * at_once :]
    return at_once * (steady[-1] - steady[0]) / (len(steady) - 1)


def test_overhead_of_a_run(benchmark, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    alone = seconds_a_run(InProcess(), 1, "alone")
    times = []

    def on_ray():
        times.append(seconds_a_run(OnRay(), cores.available(), f"ray-{len(times)}"))

    benchmark.pedantic(on_ray, rounds=1)
    overhead = statistics.median(times) - alone
    benchmark.extra_info.update(in_process=alone, on_ray=times, overhead=overhead)
    print(f"\nin process {alone:.2f} s a run; on Ray {statistics.median(times):.2f} s; overhead {overhead:.2f} s")
    assert overhead < 3
