"""The section [resources]: what it takes, that it makes no other run, and which shipped presets set their threads."""

import json
from dataclasses import replace

import pytest
import tomli
import tomli_w
from support.counted import parameters

from biasloop.config import presets
from biasloop.config.experiment import Experiment
from biasloop.config.resources import Resources, bytes_of
from biasloop.config.validation import arms_of, resolved, validate
from biasloop.errors import InvalidInput
from biasloop.system import threads

SIZES = ("domain.network", "domain.width", "domain.depth")
MILLION = 1_000_000
GIVEN = {"threads": 2, "cpus": 3, "gpus": 0.5, "memory": "2 GB"}


@pytest.mark.parametrize(
    ("written", "amount"),
    [(1, 1), ("7", 7), ("7 B", 7), ("2 GB", 2 * 10**9), ("500 MiB", 500 * 2**20), ("1.5 GB", 15 * 10**8),
     ("4gib", 2**32), (" 3 kB ", 3000), ("1 TB", 10**12), ("2PiB", 2**51)],
)  # fmt: skip
def test_memory_is_read_as_bytes(written, amount):
    assert bytes_of(written) == amount
    assert Resources(memory=written).memory == amount


@pytest.mark.parametrize(
    "written", [0, -1, 2.0, True, [], "", "2 G", "GB", "-2 GB", "2 GB x", "1e9", "9" * 30, "0.1 B"]
)
def test_what_is_no_amount_of_memory_is_refused(written):
    with pytest.raises(ValueError, match='bytes, or text such as "2 GB" or "500 MiB"'):
        bytes_of(written)


@pytest.mark.parametrize("gpus", [0, 0.5, 0.01, 1, 2, 8.0])
def test_gpus_are_shared_or_entire(gpus):
    assert Resources(gpus=gpus).gpus == gpus


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("threads", 0, f"expected a number from 1 to {threads.most()}"),
        ("threads", -1, "expected a number from 1 to"),
        ("threads", 10**9, "expected a number from 1 to"),
        ("threads", 1.5, "valid integer"),
        ("threads", True, "valid integer"),
        ("cpus", 0, "expected a number of cores from 1 to 65,536"),
        ("gpus", 1.5, "expected 0, a fraction such as 0.5 so that runs share one, or a whole number"),
        ("gpus", -0.5, "expected 0, a fraction"),
        ("memory", "two", 'expected a number of bytes, or text such as "2 GB" or "500 MiB"'),
    ],
)
def test_a_bad_value_is_refused_with_file_key_and_value(workplace, key, value, expected):
    path = workplace / "presets" / "toy.toml"
    path.write_text(path.read_text() + "\n" + tomli_w.dumps({"resources": {key: value}}))
    with pytest.raises(InvalidInput) as caught:
        validate(presets.read("toy"))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: resources.{key} = {json.dumps(value)}: ")
    assert expected in line


def test_an_unknown_key_comes_with_the_nearest(workplace):
    with pytest.raises(
        InvalidInput, match=r"--set: resources.thread = 1: .* did you mean 'threads'\? \(allowed: cpus,"
    ):
        validate(presets.read("toy").override({("resources", "thread"): 1}, "--set"))


def test_resources_make_no_other_run_and_travel_with_the_preset(workplace):
    plain = validate(presets.read("toy"))
    with_some = presets.read("toy").override({("resources", key): value for key, value in GIVEN.items()}, "--set")
    experiment = validate(with_some)
    assert experiment.identity(3) == plain.identity(3)
    assert plain.nesting()["resources"] == {}
    assert experiment.nesting()["resources"] == {"threads": 2, "cpus": 3, "gpus": 0.5, "memory": 2 * 10**9}
    assert Experiment.model_validate(experiment.nesting()).resources == experiment.resources
    (workplace / "presets" / "again.toml").write_text(tomli_w.dumps(resolved(with_some)))
    assert validate(presets.read("again")).resources == experiment.resources
    assert tomli.loads((workplace / "presets" / "again.toml").read_text())["resources"]["memory"] == 2 * 10**9


def test_a_grid_over_resources_is_refused(workplace):
    with pytest.raises(
        InvalidInput, match=r"--grid: resources.threads: .* one and the same; .*--set resources.threads=1"
    ):
        arms_of(presets.read("toy").vary({"resources.threads": [1, 2]}, "--grid"))


def test_what_is_told_of_a_round_is_what_was_set():
    assert Resources().told() == {}
    assert Resources(threads=3, gpus=1).told() == {"gpus": "1"}
    assert Resources.model_validate(GIVEN).told() == {"cpus": "3", "gpus": "0.5", "memory": "2000000000"}


def test_threads_asked_for_stand_in_place_of_those_of_the_preset():
    assert [Resources(threads=2).threads_with(asked) for asked in (None, 0, 1, 5)] == [2, 0, 1, 5]
    assert [Resources().threads_with(asked) for asked in (None, 0, 4)] == [0, 0, 4]


@pytest.mark.parametrize("listed", presets.listing(), ids=lambda listed: listed.name)
def test_a_shipped_preset_sets_one_thread_if_its_networks_are_small(listed):
    """Exactly those of less than a million parameters in every arm, quickstarts, and minis."""
    for name in [listed.name, f"{listed.name}{presets.MINI}"][: 1 + listed.mini]:
        preset = presets.read(name)
        grid = {key: values for key, values in preset.values.get("grid", {}).items() if key in SIZES}
        experiments = [arm for _, arm in arms_of(replace(preset, values={**preset.values, "grid": grid}))]
        small = max(map(parameters, experiments)) < MILLION
        expected = 1 if small or preset.mini or name.startswith("quickstart") else None
        assert {experiment.resources.threads for experiment in experiments} == {expected}, name
