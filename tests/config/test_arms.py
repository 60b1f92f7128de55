"""Named arms of a preset: each is the preset with overrides of several keys, beside a grid, minis and what is set."""

from pathlib import Path

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biasloop.config import arms, presets
from biasloop.config.experiment import Experiment
from biasloop.config.validation import arms_of, resolved, validate
from biasloop.errors import InvalidInput
from biasloop.running import engine

ARMS = """
[arms.plain]

[arms."uniform, equal seconds"]
domain = { epochs = 46 }
loop = { human = 9 }

[arms.replacing.loop]
keep = "replace"
"""


@pytest.fixture
def read(workplace):
    """Writes a preset that extends the toy, and reads it."""

    def written(text: str, name: str = "mine", extends: str = "toy") -> presets.Preset:
        Path("presets", f"{name.removesuffix('-mini')}.toml").write_text(f'extends = "{extends}"\n{text}')
        return presets.read(name)

    return written


@pytest.fixture
def refusal(read):
    """The words that a preset is refused with."""

    def refused(text: str, changes: dict | None = None, grid: dict | None = None) -> str:
        with pytest.raises(InvalidInput) as caught:
            arms_of(read(text).override(changes or {}, "--set").vary(grid or {}, "--grid"))
        return str(caught.value)

    return refused


def named(preset: presets.Preset) -> dict[str | None, Experiment]:
    return {experiment.arm: experiment for _, experiment in arms_of(preset)}


def test_each_arm_is_the_preset_with_its_overrides(read):
    found = named(read(ARMS))
    assert list(found) == ["plain", "uniform, equal seconds", "replacing"]
    plain, uniform, replacing = found.values()
    assert plain.identity(0) == validate(presets.read("toy")).identity(0)
    assert (uniform.domain.settings["epochs"], uniform.loop.human, uniform.loop.keep) == (46, 9, "all")
    assert (replacing.domain.settings["epochs"], replacing.loop.human, replacing.loop.keep) == (3, 5, "replace")
    assert {experiment.arms for experiment in found.values()} == {None}


def test_a_preset_without_arms_says_nothing_of_them(read):
    for text in ("", "[arms]"):
        ((chosen, experiment),) = arms_of(read(text))
        assert chosen == {}
        assert experiment.arm is None
        assert not {"arm", "arms"} & (experiment.nesting().keys() | engine.about(experiment).keys())


def test_the_name_is_told_of_a_run_and_makes_it_no_other(read):
    plain = named(read(ARMS))["plain"]
    assert engine.about(plain)["arm"] == "plain"
    assert plain.identity(3) == plain.model_copy(update={"arm": None}).identity(3)


def test_a_grid_multiplies_arms(read):
    pairs = arms_of(read(f'{ARMS}\n[grid]\n"domain.delta" = [0.1, 0.2]'))
    assert [(experiment.arm, chosen["domain.delta"]) for chosen, experiment in pairs] == [
        (name, delta) for name in ("plain", "uniform, equal seconds", "replacing") for delta in (0.1, 0.2)
    ]
    assert all(experiment.domain.settings["delta"] == chosen["domain.delta"] for chosen, experiment in pairs)


def test_an_arm_takes_the_place_of_other_ways_to_write_a_setting_and_takes_off_what_it_inherits(read):
    text = '[loop]\nkeep = "replace"\n[arms.a.loop]\nper_round = 12\n[arms.b]\nunset = ["loop.keep"]'
    found = named(read(text))
    assert (found["a"].loop.model, found["a"].loop.keep) == (7, "replace")
    assert (found["b"].loop.model, found["b"].loop.keep) == (20, "all")


def test_another_domain_in_an_arm_takes_none_of_the_settings_along(read):
    text = (
        '[domain]\ndelta = 0.2\n[arms.toys]\n[arms.pictures.domain]\nname = "images"\ntest = 60\nnetwork = "small-cnn"'
    )
    found = named(read(text))
    assert found["toys"].domain.settings["delta"] == 0.2
    assert "delta" not in found["pictures"].domain.settings
    assert found["pictures"].domain.settings["test"] == 60


# --- layers


def test_a_child_adds_arms_replaces_those_of_the_same_name_and_takes_off_others(read):
    read(ARMS, "parent")
    child = read(
        'unset = ["arms.plain"]\n[arms."uniform, equal seconds".loop]\nhuman = 3\n[arms.third.loop]\nmodel = 4',
        "child", extends="parent",
    )  # fmt: skip
    found = named(child)
    assert list(found) == ["uniform, equal seconds", "replacing", "third"]
    uniform = found["uniform, equal seconds"]
    assert (uniform.loop.human, uniform.domain.settings["epochs"]) == (3, 3)


def test_an_arm_whose_name_has_dots_is_taken_off_by_its_name(read):
    read('[arms."eta 0.5".loop]\nhuman = 3\n[arms.other]', "parent")
    assert list(named(read('unset = ["arms.eta 0.5"]', "child", extends="parent"))) == ["other"]
    with pytest.raises(InvalidInput, match=r"'arms.et' to take off"):
        read('unset = ["arms.et"]', "child", extends="parent")


def test_a_mini_goes_before_the_arms_and_may_replace_some(read):
    mini = '[mini]\nloop = { rounds = 2, human = 7 }\nunset = ["arms.replacing"]\n[mini.arms.more.loop]\nmodel = 3'
    found = named(read(f"{ARMS}\n{mini}", "small-mini"))
    assert list(found) == ["plain", "uniform, equal seconds", "more"]
    assert [experiment.loop.human for experiment in found.values()] == [7, 9, 7]
    assert {experiment.loop.rounds for experiment in found.values()} == {2}
    assert list(named(presets.read("small"))) == ["plain", "uniform, equal seconds", "replacing"]


# --- what a person sets


def test_what_is_set_goes_over_every_arm_and_leaves_the_preset_as_it_was(read):
    preset = read(ARMS)
    found = named(preset.override({("loop", "human"): 2, ("domain", "delta"): 0.3}, "--set"))
    assert {experiment.loop.human for experiment in found.values()} == {2}
    assert {experiment.domain.settings["delta"] for experiment in found.values()} == {0.3}
    assert found["uniform, equal seconds"].domain.settings["epochs"] == 46
    assert named(preset)["uniform, equal seconds"].loop.human == 9


def test_what_is_set_takes_the_place_of_what_arms_write_otherwise(read):
    text = "[arms.a.loop]\nmodel = 7\n[arms.b]\nunset = ['loop.human']"
    found = named(read(text).override({("loop", "per_round"): 30}, "--set"))
    assert [experiment.loop.model for experiment in found.values()] == [25, 30]
    found = named(read(text).override({("loop", "human"): 3}, "--set"))
    assert [experiment.loop.human for experiment in found.values()] == [3, 3]


@pytest.mark.parametrize(("name", "epochs"), [("toy", 5), ("images", None)])
def test_a_domain_that_is_set_clears_the_settings_of_another_in_arms(read, name, epochs):
    preset = read("[arms.a.domain]\nepochs = 5\n[arms.b.loop]\nhuman = 3")
    changed = preset.override({("domain", "name"): name}, "--set")
    assert changed.values["arms"]["a"]["domain"].get("epochs") == epochs


def test_a_key_of_one_arm_can_be_set(read):
    changed = read(ARMS).override({("arms", "uniform, equal seconds", "loop", "human"): 4}, "--set")
    found = named(changed)
    assert [experiment.loop.human for experiment in found.values()] == [5, 4, 5]
    assert found["uniform, equal seconds"].domain.settings["epochs"] == 46
    with pytest.raises(InvalidInput, match=r"^--set: loop.human = -4"):
        arms_of(read(ARMS).override({("arms", "plain", "loop", "human"): -4}, "--set"))


def test_a_grid_that_is_typed_goes_over_every_arm(read):
    pairs = arms_of(read(ARMS).vary({"loop.human": [1, 2]}, "--grid"))
    assert [experiment.loop.human for _, experiment in pairs] == [1, 2] * 3


def test_a_set_of_a_key_of_the_grid_fixes_it_in_every_arm(read):
    preset = read(f'{ARMS}\n[grid]\n"domain.delta" = [0.1, 0.2]').override({("domain", "delta"): 0.3}, "--set")
    assert [(chosen, experiment.domain.settings["delta"]) for chosen, experiment in arms_of(preset)] == [({}, 0.3)] * 3


def test_some_arms_only_come_in_the_order_of_the_preset(read):
    assert list(named(arms.only(read(ARMS), ["replacing", "plain"]))) == ["plain", "replacing"]
    assert len(named(arms.only(read(ARMS), []))) == 3


@pytest.mark.parametrize(
    ("text", "names", "words"),
    [
        (ARMS, ["plane"], "--arm plane: mine has no such arm; did you mean 'plain'? It has 'plain', 'uniform, equal"),
        (ARMS, ["plain", "plain"], "--arm plain is given twice"),
        ("", ["plain"], "mine has no [arms]; leave --arm out"),
    ],
)
def test_an_arm_that_is_not_there_is_answered_with_the_nearest(read, text, names, words):
    with pytest.raises(InvalidInput) as caught:
        arms.only(read(text), names)
    assert words in str(caught.value)


# --- mistakes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[arms.small.loop]\nhumn = 3", "mine.toml [arms.small]: loop.humn = 3: there is no such key; did you mean"),
        ('[arms."a b".domain]\nepochs = "x"', 'mine.toml [arms."a b"]: domain.epochs = "x": '),
        ("[arms.small]\nsumary = 'x'", "mine.toml [arms.small]: sumary = \"x\": there is no such key"),
        ("[arms.small]\nseeds = '0-1'", 'mine.toml [arms.small]: seeds = "0-1": all arms have the same seeds; write'),
        ("[arms.small.grid]\n'loop.human' = [1]", "[arms.small]: grid = "),
        ("[arms.small.mini.loop]\nhuman = 1", "[arms.small]: mini = "),
        ("[arms.small.arms.x]", "[arms.small]: arms = "),
        ("[arms.small]\nextends = 'toy'", "[arms.small]: extends = "),
        ("[arms.small]\nname = 'toy'", "[arms.small]: name = "),
        ("[arms.small]\narm = 'toy'", '[arms.small]: arm = "toy": there is no such key'),
        ("arm = 'toy'", "mine.toml: arm = \"toy\": there is no such key; did you mean 'arms'?"),
        ("[arms.small]\nunset = ['loop.nope']", "mine.toml [arms.small]: unset: there is no key 'loop.nope'"),
        ("[arms.small]\nunset = ['seeds']", '[arms.small]: unset: "seeds" is the same for all arms'),
        ("[arms.small]\nunset = 3", "mine.toml [arms.small]: unset = 3: expected a list of keys"),
        ("arms = 3", "mine.toml: [arms] maps a name to a table of overrides, as in [arms.small], got 3"),
        ("[arms]\nsmall = 3", "[arms] maps a name to a table of overrides"),
        ('[arms.""]', 'mine.toml: [arms.""]: expected a name of 1 to 80 printable characters'),
        ('[arms." x"]', "without a space at either end"),
        (f"[arms.{'x' * 81}]", "expected a name of 1 to 80 printable characters"),
        ('[arms."x\\u200b\\u2028y"]', "printable characters"),
        ('[arms.a.loop]\nhuman = 3\n[grid]\n"loop.human" = [1, 2]', "[arms.a]: loop.human: [grid] varies it in every"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_arm_names_file_arm_key_and_value(refusal, text, words):
    (line,) = refusal(text).splitlines()
    assert "mine.toml" in line
    assert words in line


def test_mistakes_of_all_arms_come_at_once(refusal):
    assert len(refusal("[arms.a.loop]\nhuman = -1\n[arms.b.loop]\nmodel = -1").splitlines()) == 2
    assert len(refusal("[arms.a]\nseeds = '1'\n[arms.b]\nunset = ['x']").splitlines()) == 2


def test_arms_that_are_the_same_run_are_refused_by_name(refusal):
    words = "mine.toml: [arms]: 'plain' and 'same' are one and the same run; leave one of them out, as with --arm NAME"
    assert words in refusal("[arms.plain]\n[arms.same.loop]\nhuman = 5")
    assert "'plain' and 'replacing' are one" in refusal(ARMS, {("loop", "keep"): "all"})
    assert "'plain', loop.human = 9 and 'b', loop.human = 9 are" in refusal(
        "[arms.plain]\n[arms.b.loop]\nhuman = 3", grid={"loop.human": [9]}
    )


def test_more_arms_than_anybody_starts_are_refused(refusal):
    grid = {"domain.delta": list(range(4_000))}
    assert "[grid] has 12,000 combinations with all [arms], and 10,000 are the most" in refusal(ARMS, grid=grid)


# --- what is printed is read back


@pytest.mark.parametrize(
    "text",
    [
        ARMS,
        f'{ARMS}\n[grid]\n"domain.delta" = [0.1, 0.2]',
        "[arms.a.loop]\nper_round = 12\n[arms.b]\nunset = ['loop.human']",
        '[arms.toys]\n[arms.pictures.domain]\nname = "images"\ntest = 60\nnetwork = "small-cnn"',
    ],
)
def test_a_resolved_preset_has_the_same_arms(read, text):
    for changes in ({}, {("loop", "per_round"): 30}, {("loop", "human"): 2}, {("loop", "rule"): "accumulate"}):
        preset = read(text).override(changes, "--set")
        Path("copy.toml").write_text(tomli_w.dumps(resolved(preset)))
        copied = arms_of(presets.read("copy.toml"))
        assert [(chosen, other.model_copy(update={"name": "mine"})) for chosen, other in copied] == arms_of(preset)


def test_arms_of_other_selectors_are_read_back_as_the_same_runs(read):
    text = """
    [selection]
    name = "reducr"
    [arms.reducr]
    [arms.released]
    compat = "released"
    [arms."uniform, equal seconds"]
    domain = { epochs = 46 }
    selection = { name = "uniform" }
    [arms.fast]
    selection = { share = 0.5, options.reducr.eta = 0.01, irreducible.gamma = 4 }
    """
    preset = read(text, extends="fig3-top-left")
    told = resolved(preset)
    assert told["selection"]["options"]["reducr"].keys() >= {"eta"}
    assert "scoring" not in told["selection"]  # which `compat` decides
    Path("copy.toml").write_text(tomli_w.dumps(told))
    copied = arms_of(presets.read("copy.toml"))
    assert [other.identity(0) for _, other in copied] == [ours.identity(0) for _, ours in arms_of(preset)]
    assert {experiment.selection.scoring for _, experiment in copied} == {"eval", "train"}


def test_what_an_arm_makes_of_a_default_is_left_open(read):
    text = 'unset = ["domain"]\n[domain]\nname = "language"\n[arms.plain]\n[arms.large.domain]\nnetwork = "gpt2-large"'
    preset = read(f"{text}\n", extends="fig5-beam")
    Path("copy.toml").write_text(tomli_w.dumps(resolved(preset)))
    for (_, ours), (_, other) in zip(arms_of(preset), arms_of(presets.read("copy.toml")), strict=True):
        assert other.model_copy(update={"name": ours.name}) == ours


KEYS = st.sampled_from(["loop", "domain", "unset", "seeds", "grid", "arms", "compat", "human", "name", "rule", "model"])
VALUES = st.recursive(
    st.one_of(st.integers(-2, 30), st.booleans(), st.sampled_from(["toy", "images", "accumulate", "loop.human", "x"])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3) | st.text(max_size=3), VALUES, max_size=3), VALUES)
def test_whatever_stands_in_arms_is_an_experiment_or_a_sentence(tables, value):
    sections = {"domain": {"name": "images"}, "loop": {"start": 100, "human": 5, "model": 20, "rounds": 2}}
    preset = presets.Preset("x", Path("x.toml"), {**sections, "arms": tables})
    for changes in ({}, {("loop", "human"): value}, {("domain",): value}, {("loop", "rule"): "generations"}):
        try:
            found = arms_of(preset.override(changes, "--set"))
        except InvalidInput as error:
            assert "x.toml" in str(error) or "--set" in str(error)
        else:
            assert [experiment.arm for _, experiment in found] == (list(tables) or [None])
