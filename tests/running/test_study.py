"""Studies: which seeds, which arms, where each run lies; two different runs never share a directory."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from biasloop.config import presets
from biasloop.config.presets import Preset, parse_seeds
from biasloop.config.validation import arms_of
from biasloop.errors import InvalidInput, Mismatch
from biasloop.running import study
from biasloop.running.engine import Options

LONGEST_NAME = 255  # bytes, on every common file system

# --- seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", [0]), ("5", [5]), ("0-2", [0, 1, 2]), ("0,3,5-7", [0, 3, 5, 6, 7]), ("2-2", [2]),
        (" 1 , 3-4 ", [1, 3, 4]), ("3,1", [3, 1]), ("0-2,1", [0, 1, 2]),
    ],
)  # fmt: skip
def test_seeds_are_lists_and_ranges_each_once_in_the_order_given(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "2-1", "1,,2", "1.5", "0..2", "0 1", "²"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(InvalidInput, match=f"{re.escape(repr(text))}.*0-2"):
        parse_seeds(text)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 30)), min_size=1, max_size=5))
def test_seeds_written_as_ranges_are_read_back(ranges):
    text = ",".join(f"{low}-{low + more}" for low, more in ranges)
    assert set(parse_seeds(text)) == {low + i for low, more in ranges for i in range(more + 1)}
    assert len(parse_seeds(text)) == len(set(parse_seeds(text)))


# --- names

SCALARS = st.one_of(st.integers(-(10**6), 10**6), st.booleans(), st.floats(allow_nan=False), st.text(max_size=120))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.text(max_size=5), SCALARS, max_size=2))
KEYS = st.sampled_from(["loop.human", "loop.model", "domain.data", "domain.width", "plot.labels.x"])
CHANGES = st.dictionaries(KEYS, VALUES, max_size=4)


@given(CHANGES)
def test_a_description_is_a_safe_name_of_one_directory(changes):
    name = study.describe(changes)
    assert "/" not in name
    assert "\\" not in name
    assert not re.search(r"[\s\x00-\x1f:*?\"<>|'`$;&(){}\[\]]", name)
    assert len(name.encode()) <= LONGEST_NAME
    assert Path("x", name).resolve().parent == Path("x").resolve() or not name


def typed(value):
    """A form that differs where a preset would: 1, 1.0, true and "1" are four values."""
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    return [typed(inner) for inner in value] if isinstance(value, list) else (type(value).__name__, repr(value))


@given(CHANGES, CHANGES)
def test_different_changes_have_different_names(left, right):
    assume(typed(left) != typed(right))
    assert study.describe(left) != study.describe(right)
    assert study.describe(left, "+") != study.describe(right, "+")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": True}, {"a": "True"}),
        ({"a": "x y"}, {"a": "x_y"}),
        ({"a": "x/y"}, {"a": "x_y"}),
        ({"a": "1,b=2"}, {"a": 1, "b": 2}),
        ({"a": "1+b=2"}, {"a": 1, "b": 2}),
        ({"a": "../../etc"}, {"a": "etc"}),
        ({"a": "x" * 200}, {"a": "x" * 201}),
        ({"a": [1, 2]}, {"a": "[1, 2]"}),
        ({"a.b": 1}, {"a": "b", "b": 1}),
    ],
)
def test_look_alikes_are_told_apart(left, right):
    assert study.describe(left) != study.describe(right)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, ""),
        ({"loop.human": 1000}, "loop.human=1000"),
        ({"loop.human": 1000, "domain.width": 8}, "domain.width=8,loop.human=1000"),
        ({"domain.learning_rate": 0.1}, "domain.learning_rate=0.1"),
        ({"domain.data": "fashion-mnist-t10k"}, "domain.data=fashion-mnist-t10k"),
        ({"loop.keep": "all"}, "loop.keep=all"),
        ({"domain.augment": False}, "domain.augment=false"),
    ],
)
def test_plain_values_are_readable(changes, name):
    assert study.describe(changes) == name


# --- directories


def preset(name: str, path: str) -> Preset:
    return Preset(name, Path(path), {})


@pytest.mark.parametrize(
    ("name", "path", "changes", "directory"),
    [
        ("quickstart", "p/quickstart.toml", {}, "runs/quickstart"),
        ("quickstart-mini", "p/quickstart.toml", {}, "runs/quickstart-mini"),
        ("quickstart", "p/quickstart.toml", {("loop", "human"): 2500}, "runs/quickstart+loop.human=2500"),
        ("q", "q.toml", {("loop", "human"): 1, ("domain", "width"): 2}, "runs/q+domain.width=2+loop.human=1"),
        ("./my/own.toml", "my/own.toml", {}, "runs/own"),
        ("own.toml", "own.toml", {}, "runs/own"),
        ("./my/own.toml-mini", "my/own.toml", {}, "runs/own-mini"),
        ("own.toml-mini", "own.toml", {}, "runs/own-mini"),
    ],
)
def test_a_run_lies_where_its_preset_and_its_changes_say(name, path, changes, directory):
    assert study.default_directory(preset(name, path), changes) == Path(directory)


def planned(name: str, seeds: list[int], directory: Path, **grid) -> list[study.Planned]:
    found = presets.read(name)
    found.values["grid"] = {key.replace("__", "."): values for key, values in grid.items()}
    return study.plan(arms_of(found), seeds, directory, Options(directory))


def test_without_a_grid_a_run_has_no_arm(workplace):
    found = planned("toy", [0, 3], Path("runs/toy"))
    assert [(one.arm, one.seed, str(one.directory)) for one in found] == [
        ("", 0, "runs/toy/seed-0"),
        ("", 3, "runs/toy/seed-3"),
    ]


def test_with_a_grid_every_arm_has_a_directory_and_seeds_come_first(workplace):
    found = planned("toy", [0, 1], Path("out"), loop__human=[1000 // 100, 25])
    assert [(one.arm, one.seed) for one in found] == [
        ("loop.human=10", 0), ("loop.human=25", 0), ("loop.human=10", 1), ("loop.human=25", 1),
    ]  # fmt: skip
    assert found[0].directory == Path("out/loop.human=10/seed-0")
    assert len({one.directory for one in found}) == 4
    assert [one.experiment.loop.human for one in found] == [10, 25, 10, 25]


def test_planning_starts_nothing_and_refuses_before_anything_is_written(workplace):
    planned("toy", [0], Path("out"))
    with pytest.raises(Mismatch, match="label_by"):
        planned("toy", [0], Path("out"), loop__label_by=["sample", "argmax"])
    with pytest.raises(Mismatch, match=r"loop\.start = 5000"):
        planned("toy", [0], Path("out"), loop__start=[100, 5000])
    assert not Path("out").exists()


def test_the_plan_counts_rounds(workplace):
    found = planned("toy", [0], Path("out"), loop__human=[5, 400], loop__model=[100], loop__rounds=[6])
    assert [one.rounds for one in found] == [6, 2]


# --- the preset's arms


def test_the_name_of_an_arm_is_a_directory_and_what_people_read(workplace):
    preset = presets.read("toy")
    preset.values["arms"] = {"plain": {}, "uniform, equal seconds": {"loop": {"human": 9}}}
    found = study.plan(arms_of(preset), [0, 1], Path("out"), Options(Path("out")))
    assert [(item.arm, item.experiment.arm, item.seed) for item in found] == [
        (name, name, seed) for seed in (0, 1) for name in ("plain", "uniform, equal seconds")
    ]
    assert found[0].directory == Path("out/plain/seed-0")
    assert re.fullmatch(r"out/uniform_equal_seconds~[0-9a-f]{6}/seed-0", str(found[1].directory))
    varied = arms_of(preset.vary({"domain.delta": [0.1, 0.2]}, "--grid"))
    found = study.plan(varied, [0], Path("out"), Options(Path("out")))
    assert [item.arm for item in found][1:3] == ["plain, domain.delta=0.2", "uniform, equal seconds, domain.delta=0.1"]
    assert str(found[1].directory) == "out/plain,domain.delta=0.2/seed-0"
    assert len({item.directory for item in found}) == 4


@given(st.text(min_size=1, max_size=90), CHANGES)
def test_the_directory_of_an_arm_is_a_safe_name(arm, chosen):
    name = study.folder(arm, chosen)
    assert re.match(r"[\w~]", name, re.ASCII)
    assert not re.search(r"[\s\x00-\x1f:*?\"<>|'`$;&(){}\[\]/\\]", name)
    assert len(name.encode()) <= LONGEST_NAME
    assert Path("x", name).resolve().parent == Path("x").resolve()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a b", "a_b"),
        ("..", "a"),
        ("seed-0", "seed_0"),
        ("é", "è"),
        (".a", "a"),
        ("a" * 79 + "é", "a" * 79 + "è"),
        ("A", "a"),
    ],
)
def test_arms_that_look_alike_have_directories_of_their_own(left, right):
    assert study.folder(left, {}) != study.folder(right, {})
    assert study.folder(left, {"loop.human": 1}) != study.folder(right, {"loop.human": 1})


def test_no_arm_has_the_directory_of_a_run_or_of_a_grid():
    assert study.folder("seed-0", {}).startswith("seed-0~")
    assert study.folder("loop.human=1", {}) != study.folder(None, {"loop.human": 1}) == "loop.human=1"
    assert study.folder("a", {"loop.human": 1}) == "a,loop.human=1"
    assert study.folder(None, {}) == ""
