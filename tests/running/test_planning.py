"""Plans of many runs: each section [domain] is checked once, data are read once, and nothing less is refused."""

import gc
import json
import weakref
from pathlib import Path

import pytest
from biasloop_toy import ToyDomain

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.datasets.images import ImageDataset
from biasloop.datasets.imbalance import resample
from biasloop.errors import InvalidInput, Mismatch, StoreError
from biasloop.running import engine, study
from biasloop.running.engine import Options
from biasloop.store import preview
from biasloop_images import ImagesDomain


def planned(name, seeds, **grid):
    varied = {key.replace("__", "."): values for key, values in grid.items()}
    preset = presets.read(name).vary(varied, "--grid")
    return study.plan(arms_of(preset), seeds, Path("out"), Options(Path("data"), "cpu"))


@pytest.fixture
def counted(monkeypatch):
    """How often a method is called, by a list that grows."""

    def count(owner, name):
        calls, method = [], getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *arguments, **named: (calls.append(1), method(*arguments, **named))[1])
        return calls

    return count


def test_runs_that_differ_in_seed_or_loop_are_checked_by_one_domain(workplace, counted):
    built, checked = counted(engine, "build_domain"), counted(engine, "check")
    items = planned("toy", range(50), loop__human=[5, 10, 15], loop__model=[20, 25])
    assert (len(items), len(built), len(checked)) == (300, 1, 1)
    assert [item.rounds for item in items[:6]] == [4] * 6
    planned("toy", [0], loop__snapshots=[1, 2])
    assert (len(built), len(checked)) == (2, 2)


def test_each_arm_is_still_refused_by_its_own_settings(workplace):
    with pytest.raises(Mismatch, match=r"loop\.start = 5000"):
        planned("toy", [0], loop__start=[100, 5000])
    with pytest.raises(Mismatch, match=r"loop\.start = 100: the pool has 50"):
        planned("toy", [0], domain__pool=[1000, 50])
    with pytest.raises(Mismatch, match="label_by"):
        planned("toy", [0], loop__label_by=["sample", "argmax"])


def test_what_epochs_are_demanded_for_is_checked_although_other_arms_demand_none(workplace, monkeypatch):
    monkeypatch.setattr(ToyDomain, "honours", lambda self: frozenset())
    assert planned("toy", [0], loop__human=[5, 10])
    with pytest.raises(Mismatch, match="epoch"):
        planned("toy", [0], loop__snapshots=[1])


def test_data_of_runs_that_train_otherwise_are_read_and_drawn_once(workplace, counted, monkeypatch):
    from biasloop_images import splits as module

    read, drawn = counted(ImageDataset, "open"), []
    monkeypatch.setattr(module, "resample", lambda *given: (drawn.append(1), resample(*given))[1])
    assert len(planned("tiny", [0, 1], domain__batch_size=[10, 20, 30], domain__epochs=[1, 2])) == 12
    assert (len(read), len(drawn)) == (1, 1)
    planned("tiny", [0], domain__test=[50, 60])
    assert (len(read), len(drawn)) == (2, 3)


def test_a_plan_holds_the_data_of_one_run_and_lets_go_of_them(workplace, monkeypatch):
    alive, most, build = weakref.WeakSet(), [], engine.build_domain

    def watched(*arguments):
        gc.collect()
        most.append(len(alive))
        domain = build(*arguments)
        alive.add(domain)
        return domain

    monkeypatch.setattr(engine, "build_domain", watched)
    planned("tiny", [0], domain__test=[40, 50, 60])
    gc.collect()
    assert max(most) <= 1
    assert not alive


def test_sections_are_one_only_where_they_are_written_alike(workplace):
    arms = arms_of(presets.read("toy").vary({"domain.delta": [0.0, 1.0], "loop.human": [5, 10]}, "--grid"))
    first, second, third, fourth = (experiment.domain for _, experiment in arms)
    assert first is second
    assert third is fourth
    assert (first.settings["delta"], third.settings["delta"]) == (0.0, 1.0)
    with pytest.raises(InvalidInput, match=r"domain.delta = 1, .*domain.delta = 1.0.* are one and the same run"):
        arms_of(presets.read("toy").vary({"domain.delta": [1, 1.0], "loop.human": [5]}, "--grid"))
    with pytest.raises(InvalidInput, match=r"loop.human = 5 and loop.human = 5 are one and the same run"):
        arms_of(presets.read("toy").vary({"loop.human": [5, 6, 5]}, "--grid"))


# --- places


def test_places_of_runs_are_looked_at_from_the_first_directory_that_is_there(tmp_path):
    absent, writable = set(), set()
    for arm in ("a", "b", "c"):
        for seed in (0, 1):
            assert preview.is_absent(tmp_path / "out" / arm / f"seed-{seed}", absent, writable)
    assert absent == {tmp_path / "out", *(tmp_path / "out" / arm for arm in "abc")}
    assert writable == {tmp_path}
    assert not list(tmp_path.iterdir())
    (tmp_path / "there" / "seed-0").mkdir(parents=True)
    assert not preview.is_absent(tmp_path / "there" / "seed-0", absent, writable)
    assert preview.is_absent(tmp_path / "there" / "seed-1", absent, writable)


def test_a_name_that_is_too_long_is_refused_also_below_what_is_absent(tmp_path):
    absent, writable = set(), set()
    assert preview.is_absent(tmp_path / "out" / "a" / "seed-0", absent, writable)
    with pytest.raises(StoreError, match=r"^x{80}\.\.\. is too long"):
        preview.is_absent(tmp_path / "out" / ("x" * 300) / "seed-0", absent, writable)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match="out is no directory, so that no run can lie in"):
        preview.is_absent(tmp_path / "out" / "a" / "seed-0", set(), set())
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="link is no directory"):
        preview.is_absent(tmp_path / "link" / "seed-0", set(), set())


# --- what a plan says


def test_of_many_settings_that_the_reserve_is_too_small_for_the_first_are_named(cli):
    humans = ",".join(map(str, range(300, 330)))
    shown = cli("loop", "-p", "toy", "--grid", f"loop.human={humans}", "--dry-run", "--json")
    assert shown.exit_code == 0, shown.exception
    assert len(json.loads(shown.stdout)) == 30
    lines = [line for line in shown.stderr.splitlines() if "reserve" in line]
    assert len(lines) == 21
    assert "loop.human=300; loop.rounds asks for 4" in " ".join(lines[:2])
    assert "10 more settings" in lines[-1]


def test_a_plan_of_many_runs_is_lines_in_columns(cli):
    shown = cli("loop", "-p", "toy", "--seeds", "0-599", "--dry-run")
    assert shown.exit_code == 0, shown.exception
    lines = shown.stdout.partition("human labels")[0].splitlines()
    assert len(lines) == 601
    assert lines[0].split() == ["run", "seed", "rounds", "done", "state"]
    assert lines[1].split() == ["runs/toy/seed-0", "0", "4", "0", "not", "begun"]
    assert lines[600].split() == ["runs/toy/seed-599", "599", "4", "0", "not", "begun"]
    assert len({len(line) for line in lines[1:]}) == 1


# --- images


def test_a_network_is_checked_by_the_shape_of_one_image(workplace, monkeypatch):
    def never(self):
        raise AssertionError("pictures are read")

    monkeypatch.setattr(ImagesDomain, "_pictures", property(never))
    monkeypatch.setattr(ImagesDomain, "_learner", property(never))
    assert planned("tiny", [0], domain__network=["baidunet9", "cifar-resnet", "small-cnn"])
    assert planned("tiny", [0], domain__shape=[[32, 32, 3]], domain__network=["squeezenet1_1"])
    with pytest.raises(InvalidInput, match="network 'squeezenet1_1' takes images with 3 channels, and these have 1"):
        planned("tiny", [0], domain__network=["squeezenet1_1"])
    with pytest.raises(InvalidInput, match="no network is called 'baidunet8'|baidunet8"):
        planned("tiny", [0], domain__network=["baidunet8"])
    with pytest.raises(InvalidInput, match=r"domain.depth is for network 'cifar-resnet'"):
        planned("tiny", [0], domain__depth=[20])


def test_every_arms_network_is_checked_although_the_one_before_is_fine(workplace):
    with pytest.raises(InvalidInput, match="baidunet8"):
        planned("tiny", [0], domain__network=["small-cnn", "baidunet8"])
    with pytest.raises(InvalidInput, match=r"domain\.depth"):
        planned("tiny", [0], domain__network=["cifar-resnet"], domain__depth=[8, 9])
    with pytest.raises(InvalidInput, match="takes images with 3 channels, and these have 1"):
        planned("tiny", [0], domain__network=["squeezenet1_1"], domain__shape=[[32, 32, 3], [32, 32, 1]])


def test_the_smallest_training_set_of_any_round_has_to_fill_a_batch(workplace):
    batches = {"domain__batch_size": [30], "domain__drop_last": [True]}
    assert planned("tiny", [0], **batches, loop__keep=["all", "subsample"])
    assert planned("tiny", [0], **batches, loop__keep=["replace"], loop__rounds=[1])
    with pytest.raises(InvalidInput, match="no batch to train on: 20 samples, domain.batch_size 30"):
        planned("tiny", [0], **batches, loop__keep=["replace"])
    with pytest.raises(InvalidInput, match="no batch to train on: 25 samples"):
        planned("tiny", [0], **batches, loop__keep=["replace"], loop__start=[25], loop__model=[40])


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        ({"domain__shape": [[20, 20, 1]]}, r"domain.shape is \[20, 20, 1\] and the images are \[28, 28, 1\]"),
        ({"domain__pixel_mean": [[0.1, 0.2]]}, "domain.pixel_mean has 2 numbers, and the images 1 channels"),
        ({"domain__pixel_std": [[0.1, 0.2, 0.3]]}, "domain.pixel_std has 3 numbers"),
    ],
)
def test_pixels_that_do_not_go_together_are_refused_by_the_plan(workplace, grid, reason):
    with pytest.raises(InvalidInput, match=reason):
        planned("tiny", [0], **grid)
