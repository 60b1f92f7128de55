"""Several processes that draw: one that ends is no loss as long as another makes its shard, and says why if not."""

import json
import os
import signal

import pytest
from support import toy
from support.drawing import captioned, settings, tars

from biasloop.contract.illustrating import PipelineSettings
from biasloop.errors import BiasloopError
from biasloop.running import drawing_workers
from biasloop.running.drawing_worker import dumps, event_dumps, event_loads, loads
from biasloop.running.drawing_workers import draw
from biasloop.running.shards import BatchDrawn, Said, ShardDone, done


@pytest.fixture
def noise(tmp_path, monkeypatch):
    """What draws noise is installed: settings that name it, and a directory for shards."""
    declared = toy.declare(tmp_path / "declared", "biasloop-noise", "noise", "support.drawing:NoiseDomain")
    monkeypatch.syspath_prepend(declared)
    (tmp_path / "out").mkdir()
    return settings(pipeline=PipelineSettings(name="noise:slow", steps=2), shard_size=2), tmp_path / "out"


def test_a_process_that_is_killed_is_no_loss(noise, tmp_path):
    generation, out = noise
    texts, events, killed = captioned(tmp_path, 12), [], []

    def tell(event):
        events.append(event)
        if isinstance(event, BatchDrawn) and not killed:
            killed.append(os.kill(of_claim(out), signal.SIGKILL))

    draw(out, generation, texts, 2, tell, lambda: False)
    assert len(done(out, 6)) == 6
    assert len(tars(out)) == 6
    said = [event.text for event in events if isinstance(event, Said)]
    assert any("ended with status -9" in text and "the others have made its shard" in text for text in said)


def of_claim(folder) -> int:
    """The number of a process that makes a shard now."""
    while True:
        for path in folder.glob(".*claim*/holder.json"):
            try:
                return json.loads(path.read_text())["pid"]
            except (OSError, ValueError):
                continue


def test_what_all_processes_fail_with_is_told(noise, tmp_path):
    out = noise[1]
    broken = settings(pipeline=PipelineSettings(name="noise:broken", steps=2), shard_size=2)
    with pytest.raises(BiasloopError, match="there is no pipeline broken") as caught:
        draw(out, broken, captioned(tmp_path, 4), 2, lambda event: None, lambda: False)
    assert caught.value.exit_code == 2
    assert tars(out) == {}


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(drawing_workers.gpus, "visible", lambda: 2)
    generation = settings(pipeline=PipelineSettings(device="auto"))
    assert [drawing_workers._on(generation, n).pipeline.device for n in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    chosen = settings(pipeline=PipelineSettings(device="cpu"))
    assert drawing_workers._on(chosen, 1) == chosen


def test_what_goes_between_processes_comes_back(tmp_path):
    texts = captioned(tmp_path)
    generation = settings(pipeline=PipelineSettings(name="x", guidance=1.5), when_flagged="keep")
    assert loads(dumps(tmp_path, generation, texts)) == (tmp_path, generation, texts)
    for event in (BatchDrawn(1, 2, 3, 0.5), ShardDone(1, 2, 0, 0.5), Said("ü\u2028")):
        assert event_loads(event_dumps(event)) == event
