"""What a run takes: from the preset, from the command, from the machine; and that it is in force and recorded."""

from dataclasses import replace

import pytest
import torch
from support.loops import OPTIONS, assert_same_run, stored_bytes, toy_experiment, toy_prepared

from biasloop.config import presets
from biasloop.config.resources import Resources
from biasloop.config.validation import validate
from biasloop.running import engine, reopen, resources
from biasloop.running.engine import Notice, Options
from biasloop.store.manifest import read_manifest
from biasloop.training import loop

EXPERIMENT = toy_experiment(loop={"rounds": 2}, pool=200)
IMAGES = {("domain", "test"): 20, ("domain", "epochs"): 1, ("domain", "width"): 1, ("loop", "rounds"): 1}
SOME = Resources.model_validate({"cpus": 3, "gpus": 0.5, "memory": "1 GiB"})


def taking(taken: Resources, experiment=EXPERIMENT):
    return experiment.model_copy(update={"resources": taken})


def images(taken: Resources):
    """A small run of pictures."""
    return taking(taken, validate(presets.read("quickstart-mini").override(IMAGES, "test")))


def made(experiment, directory, options) -> list[str]:
    """The notices of a run, or of going on with it."""
    said = []
    options = replace(options, on_event=said.append)
    engine.run(engine.prepare(experiment, 0, options), directory, options)
    return [event.text for event in said if isinstance(event, Notice)]


def on_cpu(place, **changes) -> Options:
    return replace(Options(place / "data", device="cpu", interval=1e9), **changes)


def test_cores_are_what_is_set_else_threads_else_all(monkeypatch):
    monkeypatch.setattr(resources.cores, "available", lambda: 7)
    asked = replace(OPTIONS, threads=2)
    assert resources.cores_of(taking(Resources(cpus=3, threads=5)), asked) == 3
    assert resources.cores_of(taking(Resources(threads=5)), OPTIONS) == 5
    assert resources.cores_of(taking(Resources(threads=5)), asked) == 2
    assert resources.cores_of(taking(Resources(threads=5)), replace(OPTIONS, threads=0)) == 7
    assert resources.cores_of(EXPERIMENT, OPTIONS) == 7


@pytest.mark.parametrize(
    ("device", "present", "count"), [("auto", 0, 0), ("auto", 2, 1), ("cpu", 2, 0), ("cuda", 2, 1), ("cuda:1", 2, 1)]
)
def test_gpus_are_what_is_set_else_one_if_it_computes_on_one(monkeypatch, device, present, count):
    monkeypatch.setattr(resources.gpus, "visible", lambda: present)
    options = replace(OPTIONS, device=device)
    assert resources.gpus_of(images(Resources()), options) == count
    assert resources.gpus_of(images(Resources(gpus=0.5)), options) == 0.5
    assert resources.gpus_of(images(Resources(gpus=0)), options) == 0


def test_a_domain_that_chooses_no_device_takes_no_gpu(workplace, monkeypatch):
    monkeypatch.setattr(resources.gpus, "visible", lambda: 2)
    assert resources.gpus_of(EXPERIMENT, OPTIONS) == 0


def test_memory_is_what_is_set():
    assert resources.memory_of(EXPERIMENT) is None
    assert resources.memory_of(taking(SOME)) == 2**30


def test_what_was_set_is_recorded_with_each_round_and_changes_no_bit(tmp_path):
    for name, taken in {"plain": Resources(), "some": SOME}.items():
        engine.run(toy_prepared(taking(taken)), tmp_path / name, OPTIONS)
    assert_same_run(tmp_path / "plain", tmp_path / "some")
    assert (tmp_path / "plain" / "experiment.toml").read_bytes() == (tmp_path / "some/experiment.toml").read_bytes()
    plain, some = read_manifest(tmp_path / "plain"), read_manifest(tmp_path / "some")
    assert plain.environments[0].keys() & {"cpus", "gpus", "memory"} == set()
    assert some.environments == [{**plain.environments[0], "cpus": "3", "gpus": "0.5", "memory": "1073741824"}]
    assert {some.files[f"{step}.h5"].environment for step in some.steps()} == {0}


def test_a_run_goes_on_silently_with_other_resources(tmp_path):
    said = []
    options = replace(OPTIONS, on_event=said.append)
    engine.run(toy_prepared(toy_experiment(loop={"rounds": 1}, pool=200)), tmp_path / "run", options)
    engine.run(toy_prepared(taking(SOME)), tmp_path / "run", options)
    assert [event for event in said if isinstance(event, Notice)] == []
    manifest = read_manifest(tmp_path / "run")
    assert [manifest.files[f"{step}.h5"].environment for step in manifest.steps()] == [0, 0, 1]


@pytest.mark.parametrize("library", [1, 3])
def test_threads_of_the_preset_are_in_force_inside_a_fit_whatever_the_library_would_take(
    tmp_path, monkeypatch, library
):
    fit, seen = loop.fit, []
    before = torch.get_num_threads()
    monkeypatch.setattr(loop, "fit", lambda *a: (seen.append(torch.get_num_threads()), fit(*a))[1])
    torch.set_num_threads(library)  # as OMP_NUM_THREADS does
    try:
        made(images(Resources(threads=2)), tmp_path / "preset", on_cpu(tmp_path))
        made(images(Resources(threads=2)), tmp_path / "asked", on_cpu(tmp_path, threads=4))
        made(images(Resources(threads=2)), tmp_path / "choice", on_cpu(tmp_path, threads=0))
    finally:
        torch.set_num_threads(before)
    assert seen == [2, 4, library]
    told = [read_manifest(tmp_path / name).environments[0]["threads"] for name in ("preset", "asked", "choice")]
    assert told == ["2", "4", str(library)]


def test_a_run_that_goes_on_with_other_threads_says_so_and_generates_with_its_own(tmp_path):
    longer = {("loop", "rounds"): 2}
    more = validate(presets.read("quickstart-mini").override(IMAGES | longer, "test"))
    assert made(images(Resources(threads=1)), tmp_path / "run", on_cpu(tmp_path)) == []
    (said,) = made(taking(Resources(threads=2), more), tmp_path / "run", on_cpu(tmp_path))
    assert "was made with threads 1 -> 2; it goes on as a new segment" in said
    for asked, number in {None: "2", 1: "1"}.items():
        _, prepared = reopen.reopen(tmp_path / "run", on_cpu(tmp_path, threads=asked))
        assert prepared.domain.environment()["threads"] == number


def test_threads_that_cannot_be_had_here_are_not_taken_from_a_run(tmp_path, monkeypatch):
    made(images(Resources(threads=torch.get_num_threads() + 1)), tmp_path / "run", on_cpu(tmp_path))
    monkeypatch.setattr(reopen.threads, "most", lambda: 0)
    _, prepared = reopen.reopen(tmp_path / "run", on_cpu(tmp_path))
    assert prepared.domain.environment()["threads"] == str(torch.get_num_threads())


def test_runs_with_threads_from_the_preset_and_from_the_command_are_one(tmp_path):
    made(images(Resources(threads=1)), tmp_path / "preset", on_cpu(tmp_path))
    made(images(Resources()), tmp_path / "asked", on_cpu(tmp_path, threads=1))
    assert stored_bytes(tmp_path / "preset") == stored_bytes(tmp_path / "asked")


def test_it_is_said_where_threads_are_set_nowhere(workplace, monkeypatch):
    monkeypatch.setattr(resources.threads, "chosen", lambda: 6)
    said = resources.unset_threads([images(Resources()), images(Resources(threads=1))], OPTIONS)
    assert "torch takes 6 on this machine; results depend on it" in said
    assert "set resources.threads = 6 in the preset, or give --threads 6" in said
    assert resources.unset_threads([images(Resources(threads=1))], OPTIONS) == ""
    assert resources.unset_threads([images(Resources())], replace(OPTIONS, threads=0)) == ""
    assert resources.unset_threads([EXPERIMENT], OPTIONS) == ""  # its domain computes with none
    assert resources.unset_threads([], OPTIONS) == ""
