"""A study on a Ray of three nodes: a node is lost, a task is retried too early, the person stops, a run fails."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support import slow_toy, toy
from support.loops import assert_same_run
from support.studies import Recorder

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.running import study
from biasloop.running.engine import Committed, Options
from biasloop.running.executors import InProcess
from biasloop.running.on_ray import OnRay
from biasloop.store import claims

pytestmark = pytest.mark.slow
OPTIONS = Options(Path("data"), device="cpu", threads=1, interval=1e9)
NODE = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "object_store_memory": 80_000_000}


@pytest.fixture
def cluster(workplace, monkeypatch):
    """Three nodes of one core each, whose workers find the slow toy."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    toy.declare(workplace / "installed", "biasloop-slow-toy", "slow-toy", "support.slow_toy:SlowToy")
    (workplace / "presets" / "slow-toy.toml").write_text(slow_toy.PRESET)
    monkeypatch.syspath_prepend(workplace / "installed")
    paths = [workplace / "installed", toy.PROJECT, toy.PROJECT / "plugins", toy.TESTS, toy.TOY_SOURCE]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, paths)))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    settings = {"health_check_period_ms": 500, "health_check_timeout_ms": 500, "health_check_failure_threshold": 3,
                "health_check_initial_delay_ms": 0, "grpc_client_keepalive_time_ms": 1000,
                "grpc_client_keepalive_timeout_ms": 2000, "grpc_keepalive_time_ms": 1000}  # fmt: skip
    for name, number in settings.items():
        monkeypatch.setenv(f"RAY_{name}", str(number))  # what is silent is lost after a few seconds
    monkeypatch.setenv("BIASLOOP_CLAIM_SECONDS", "4")
    monkeypatch.setenv(slow_toy.PAUSE, "0.7")
    made = cluster_utils.Cluster(initialize_head=True, head_node_args=NODE)
    for _ in range(2):
        made.add_node(**NODE)
    yield made
    made.shutdown()


def planned(seeds, directory: str, **grid):
    preset = presets.read("slow-toy").vary({key.replace("__", "."): given for key, given in grid.items()}, "--grid")
    return study.plan(arms_of(preset), seeds, Path(directory), OPTIONS)


def assert_like_an_unbroken_study(runs, monkeypatch, **grid):
    monkeypatch.setenv(slow_toy.PAUSE, "0")
    unbroken = planned(sorted({one.seed for one in runs}), "unbroken", **grid)
    InProcess().run(unbroken, OPTIONS, Recorder())
    for ours, theirs in zip(runs, unbroken, strict=True):
        assert_same_run(ours.directory, theirs.directory)


def raylet(node) -> int:
    return node.all_processes["raylet"][0].process.pid


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Interfering(Recorder):
    """Does something once, when a worker of another node than the first has committed a round."""

    def __init__(self, cluster, interfere):
        super().__init__()
        self.nodes = {raylet(node): node for node in cluster.worker_nodes}
        self.interfere, self.done = interfere, False

    def event(self, planned, event):
        super().event(planned, event)
        holder = claims.holder(planned.directory)
        if isinstance(event, Committed) and event.number == 1 and not self.done and holder is not None:
            node = self.nodes.get(parent(holder.pid))
            if node is not None:
                self.done = True
                self.interfere(node, holder.pid, planned)


def test_a_study_survives_a_node(cluster, monkeypatch):
    runs = planned(range(6), "out")
    watcher = Interfering(cluster, lambda node, pid, run: cluster.remove_node(node, allow_graceful=False))
    ended = OnRay(cluster.address).run(runs, OPTIONS, watcher)
    assert watcher.done
    assert sorted((one.planned.seed, one.outcome.rounds) for one in ended) == [(seed, 4) for seed in range(6)]
    assert any("was lost; it is made again" in text for text in watcher.notices)
    assert len([word for word, _ in watcher.told if word == "start"]) == 7
    assert not list(Path("out").glob(".ray-*"))
    assert_like_an_unbroken_study(runs, monkeypatch)


@pytest.mark.parametrize("seconds", ["4", "60"], ids=["taken over", "goes on"])
def test_a_task_is_retried_while_its_first_attempt_lives(cluster, monkeypatch, seconds):
    """A machine is silent for a while, and Ray starts its task anew elsewhere: the claim decides which one goes on.

    With a claim of 4 s the second attempt takes the run over, and the first one, woken, writes nothing. With one of 60
    s the first one, woken when the second has begun, makes the run to its end, and the second one waits for that.
    """
    monkeypatch.setenv("BIASLOOP_CLAIM_SECONDS", seconds)
    silent = []

    class Waking(Interfering):
        def start(self, planned):
            super().start(planned)
            if seconds == "60" and self.told.count(("start", planned.seed)) == 2:
                os.kill(silent[1], signal.SIGCONT)

    def suspend(node, pid, run):
        silent.extend([raylet(node), pid])
        for each in silent:
            os.kill(each, signal.SIGSTOP)

    runs = planned(range(3), "out")
    watcher = Waking(cluster, suspend)
    try:
        ended = OnRay(cluster.address).run(runs, OPTIONS, watcher)
        assert all(Path(f"/proc/{each}").exists() for each in silent)
        before = files("out")
    finally:
        for each in silent:
            os.kill(each, signal.SIGCONT)
    assert sorted((one.planned.seed, one.outcome.rounds) for one in ended) == [(seed, 4) for seed in range(3)]
    assert len([word for word, _ in watcher.told if word == "start"]) == 4
    until = time.monotonic() + 10
    while Path(f"/proc/{silent[1]}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert files("out") == before
    assert_like_an_unbroken_study(runs, monkeypatch)


def files(directory: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(directory).rglob("*") if path.is_file()}


def test_all_end_after_their_step_and_the_same_runs_go_on_in_this_process(cluster, monkeypatch):
    class Asking(Recorder):
        asked = False

        def event(self, planned, event):
            super().event(planned, event)
            self.asked = self.asked or (isinstance(event, Committed) and event.number == 1)

    watcher = Asking()
    runs = planned(range(6), "out")
    options = replace(OPTIONS, stopping=lambda: watcher.asked)
    ended = OnRay(cluster.address).run(runs, options, watcher)
    assert 1 <= len(ended) <= 3
    assert all(one.stopped for one in ended)
    assert not [one for one in runs if claims.holder(one.directory)]
    assert not list(Path("out").glob(".ray-*"))
    assert_after_going_on(runs, monkeypatch)


def assert_after_going_on(runs, monkeypatch):
    monkeypatch.setenv(slow_toy.PAUSE, "0")
    assert all(one.outcome.rounds == 4 for one in InProcess().run(planned(range(6), "out"), OPTIONS, Recorder()))
    assert_like_an_unbroken_study(runs, monkeypatch)


def test_a_failing_run_is_told_and_others_finish(cluster, monkeypatch):
    monkeypatch.setenv(slow_toy.PAUSE, "0")
    runs = planned([0, 1], "out", domain__delta=[0.05, 2.0])
    watcher = Recorder()
    ended = OnRay(cluster.address).run(runs, OPTIONS, watcher)
    assert sorted(one.error for one in ended) == ["", "", *2 * ["the loss is not finite"]]
    assert sorted(one.outcome.rounds for one in ended if one.outcome) == [4, 4]
