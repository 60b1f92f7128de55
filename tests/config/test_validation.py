"""Every mistake of a preset names file, key, value and what is allowed; all of them come at once, before any run."""

from typing import Any

import pytest

from biasloop.config import presets
from biasloop.config.validation import arms_of, validate
from biasloop.errors import InvalidInput

LOOP = "\n[loop]\nstart = 100\nhuman = 5\nmodel = 20\nrounds = 4\n"
TOY = '\n[domain]\nname = "toy"\n'
IMAGES = '\n[domain]\nname = "images"\n'


@pytest.fixture
def mistakes(workplace):
    """The lines that a preset of the given text is refused with."""

    def refused(text: str, **changes: Any) -> list[str]:
        (workplace / "presets" / "wrong.toml").write_text(text)
        found = presets.read("wrong").override({tuple(k.split("__")): v for k, v in changes.items()}, "--set")
        with pytest.raises(InvalidInput) as caught:
            arms_of(found)
        return str(caught.value).splitlines()

    return refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"sumary = 3{TOY}{LOOP}", ["sumary = 3", "no such key", "'summary'", "extends", "mini"]),
        (f"{TOY}{LOOP}humn = 7", ["loop.humn = 7", "no such key", "'human'", "per_round"]),
        (f"{TOY}dleta = 0.5{LOOP}", ["domain.dleta = 0.5", "'delta'", "epochs"]),
        (f"{TOY}{LOOP}[bound]\nmetrik = 'x'\nmetric = 'x'\nbaseline = 'y'", ["bound.metrik", "'metric'", "train"]),
        (f"{TOY}{LOOP}[plot]\nserie = []", ["plot.serie = []", "'series'", "labels"]),
        (f"{IMAGES}imbalance = {{ class = 'shirt', factr = 9, factor = 9 }}{LOOP}",
         ["domain.imbalance.factr = 9", "'factor'", "class"]),
        (f"{IMAGES}augment = {{ pading = 2 }}{LOOP}", ["domain.augment.pading = 2", "'padding'", "flip"]),
        (f"{TOY}{LOOP}zzz = 1", ["loop.zzz = 1: there is no such key (allowed: human, "]),
    ],
)  # fmt: skip
def test_an_unknown_key_comes_with_the_nearest_and_all_allowed(mistakes, text, words):
    (line,) = mistakes(text)
    assert "wrong.toml" in line
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{TOY}[loop]\nstart = '100'\nrounds = 1", ['loop.start = "100"', "integer"]),
        (f"{TOY}[loop]\nstart = 10.0\nrounds = 1", ["loop.start = 10.0", "integer"]),
        (f"{TOY}[loop]\nstart = true\nrounds = 1", ["loop.start = true", "integer"]),
        (f"{TOY}[loop]\nstart = 'all'\nmodel = 1\nrounds = 1", ['`start = "all"`', "set a number"]),
        (
            f"{TOY}[loop]\nstart = 'all'\nrounds = 1\n[bound]\nmetric = 'a'\nbaseline = 'b'",
            ["[bound] needs loop.start"],
        ),
        (
            f"{TOY}[loop]\nrule = 'generations'\nrounds = 1\n[bound]\nmetric = 'a'\nbaseline = 'b'",
            ["[bound] needs a rule whose bound is known", 'loop.rule is "generations"'],
        ),
        (f"{TOY}[loop]\nstart = 0\nrounds = 1", ["loop.start = 0", "greater than or equal to 1"]),
        (f"{TOY}{LOOP}human = -1".replace("human = 5\n", ""), ["loop.human = -1", "greater than or equal to 0"]),
        (f"{TOY}{LOOP}keep = 'some'", ['loop.keep = "some"', "'all', 'subsample' or 'replace'"]),
        (f"{TOY}{LOOP}keep = 'subsampel'", ['loop.keep = "subsampel"', "; did you mean 'subsample'?"]),
        (f"{TOY}{LOOP}rule = 'mixin'", ['loop.rule = "mixin"', "'accumulate' or 'generations' or 'mixing'"]),
        (f"compat = 'paper'{TOY}{LOOP}", ['compat = "paper"', "'fixed' or 'released'"]),
        (f"seeds = 3{TOY}{LOOP}", ["seeds = 3", "string"]),
        (f"seeds = '3-1'{TOY}{LOOP}", ["seeds '3-1'", "0-2"]),
        (f"{TOY}labels = 'words'{LOOP}", ['domain.labels = "words"', "'shares' or 'bits'"]),
        (f"{TOY}share = 1.5{LOOP}", ["domain.share = 1.5", "less than or equal to 1"]),
        (f"{IMAGES}width = '4'{LOOP}", ['domain.width = "4"', "integer"]),
        (f"{IMAGES}imbalance = 3{LOOP}", ["domain.imbalance = 3", "table"]),
        (f"{IMAGES}imbalance = {{ class = 'shirt' }}{LOOP}", ["domain.imbalance.factor", "required"]),
        ("domain = 'toy'" + LOOP, ['domain = "toy"', "table"]),
        (f"loop = 3{TOY}", ["loop = 3", "table"]),
        (f"{TOY}{LOOP}[plot]\nseries = [3]", ["plot.series.0 = 3", "string"]),
        (LOOP, ["domain", "required"]),
        (TOY, ["loop", "required"]),
        (f"[domain]\ndelta = 1{LOOP}", ["domain.name", "required"]),
        (
            f"[domain]\nname = 'tay'{LOOP}",
            ["domain.name", "'tay'", "installed: clip, clip-shards, command, generators, images, language", "'toy'"],
        ),
        (f"compat = 'released'{TOY}{LOOP}", ["released", "'toy'"]),
        (f"{TOY}{LOOP}per_round = 30", ["loop", "`model` or `per_round`"]),
        (f"{TOY}[loop]\nstart = 1\nhuman = 9\nper_round = 8", ["`human` (9)", "`per_round` (8)"]),
        (f"{TOY}[loop]\nstart = 1", ["loop", "set `rounds`"]),
        (f"{TOY}[loop]\nstart = 1\nrounds = 2\nkeep = 'replace'", ["replace"]),
    ],
)
def test_a_wrong_value_comes_with_what_is_expected(mistakes, text, words):
    lines = mistakes(text)
    assert len(lines) == 1, lines
    assert "wrong.toml" in lines[0]
    assert [word for word in words if word not in lines[0]] == []


def test_a_value_of_two_kinds_is_called_by_its_key_alone(mistakes):
    lines = mistakes(f"{IMAGES}augment = 'maybe'{LOOP}")
    assert all('domain.augment = "maybe": ' in line for line in lines)
    assert any("boolean" in line for line in lines)
    assert any("table" in line for line in lines)


def test_all_mistakes_come_at_once(mistakes):
    lines = mistakes(f"sumary = 1{TOY}dleta = 2{LOOP}humn = 3\nkeep = 4\n[plot]\nseries = 5")
    for word in ("sumary = 1", "domain.dleta = 2", "loop.humn = 3", "loop.keep = 4", "plot.series = 5"):
        assert sum(word in line for line in lines) == 1
    assert len(lines) == 5


def test_each_mistake_names_the_layer_that_made_it(workplace, mistakes):
    (workplace / "presets" / "base.toml").write_text(f"{TOY}dleta = 2{LOOP}")
    lines = mistakes('extends = "base"\n[loop]\nkeep = "some"', loop__humn=3)
    by_key = {word: next(line for line in lines if word in line) for word in ("dleta", "keep", "humn")}
    assert "base.toml: " in by_key["dleta"]
    assert "wrong.toml: " in by_key["keep"]
    assert by_key["humn"].startswith("--set: ")


def test_a_mistake_of_a_section_names_who_changed_it_last(workplace):
    """Settings that do not go together are nobody's key."""
    (workplace / "presets" / "mine.toml").write_text('extends = "fig4-left"\n[domain]\ntest_per_verb = 3\n')
    (workplace / "presets" / "wrong.toml").write_text('extends = "fig4-left"\n[domain]\ndata = "folder"\n')
    for name, changes, where in (
        ("mine", {("domain", "data"): "folder"}, "--set: domain: data"),
        ("fig4-left", {("domain", "data"): "folder"}, "--set: domain: data"),
        ("wrong", {}, f"{workplace / 'presets' / 'wrong.toml'}: domain: data"),
    ):
        with pytest.raises(InvalidInput) as caught:
            validate(presets.read(name).override(changes, "--set"))
        assert str(caught.value).startswith(where)


def test_other_data_are_not_what_the_source_of_a_preset_speaks_of(workplace):
    own = 'extends = "fig4-left"\n[domain]\ndata = "folder"\npath = "x"\n'
    (workplace / "presets" / "own.toml").write_text(own)
    (workplace / "presets" / "said.toml").write_text(f'source = "mine"\n{own}')
    published = validate(presets.read("fig4-left")).source
    assert published == "Taori & Hashimoto 2022, figure 4, left"
    assert validate(presets.read("own")).source == f"after {published}, with other data"
    assert validate(presets.read("said")).source == "mine"
    changed = presets.read("fig4-left-mini").override({("domain", "data"): "emoji-roles"}, "--set")
    assert validate(changed).source == f"after {published}, with other data"
    usual = presets.read("fig4-left").override({("domain", "epochs"): 3}, "--set")
    assert validate(usual).source == validate(presets.read("fig4-left-mini")).source == published


def test_a_judge_without_anything_to_choose_is_refused(mistakes):
    images = f'{IMAGES}data = "fashion-mnist-t10k"\nholdout = 20\n{LOOP}[selection]\nname = "uniform"\n'
    (line,) = mistakes(f"{images}judge = 0.2\n")
    assert 'selection.judge = 0.2: no epoch is chosen with selection.best = "last"; set best to' in line
    (line,) = mistakes(f'{images}best = "accuracy"\n', selection__judge=0.5, selection__best="last")
    assert line.startswith("--set: selection.judge = 0.5")


def test_values_outside_ascii_are_shown_as_written(mistakes):
    assert 'loop.keep = "größer"' in mistakes(f"{TOY}{LOOP}keep = 'größer'")[0]


# --- what a valid preset becomes


def test_every_default_is_filled_in(workplace):
    found = validate(presets.read("toy"))
    assert found.domain.settings["delta"] == 0.05
    assert found.loop.keep == "all"
    assert found.name == "toy"
    assert "delta" in found.nesting()["domain"]


def test_per_round_is_what_humans_leave_to_the_model(workplace):
    (workplace / "presets" / "p.toml").write_text(f"{TOY}[loop]\nstart = 1\nhuman = 3\nper_round = 10")
    assert validate(presets.read("p")).loop.model == 7


def test_the_identity_holds_what_determines_results_and_nothing_else(workplace):
    base = presets.read("toy")
    same = base.override({("summary",): "other", ("seeds",): "5", ("loop", "rounds"): 9, ("plot", "series"): []}, "")
    other = base.override({("loop", "human"): 6}, "")
    assert validate(base).identity(0) == validate(same).identity(0)
    assert validate(base).identity(0) != validate(other).identity(0)
    assert validate(base).identity(0) != validate(base).identity(1)


# --- grids


def test_every_combination_is_an_arm(workplace):
    found = presets.read("toy")
    found.values["grid"] = {"loop.human": [1, 2], "domain.delta": [0.1, 0.2, 0.3]}
    arms = arms_of(found)
    assert len(arms) == 6
    for chosen, experiment in arms:
        assert experiment.loop.human == chosen["loop.human"]
        assert experiment.domain.settings["delta"] == chosen["domain.delta"]
        assert experiment.grid == {}


def test_without_a_grid_there_is_one_arm(workplace):
    ((chosen, _),) = arms_of(presets.read("toy"))
    assert chosen == {}


def test_a_set_of_a_key_of_the_grid_fixes_it(workplace):
    found = presets.read("toy")
    found.values["grid"] = {"loop.human": [1, 2], "domain.delta": [0.1, 0.2]}
    arms = arms_of(found.override({("loop", "human"): 3}, "--set"))
    assert [chosen for chosen, _ in arms] == [{"domain.delta": 0.1}, {"domain.delta": 0.2}]
    assert {experiment.loop.human for _, experiment in arms} == {3}


def test_every_combination_is_checked_before_any_runs(mistakes):
    lines = mistakes(f'{TOY}{LOOP}\n[grid]\n"loop.human" = [5, -3, "x"]\n"domain.delta" = [0.1, 0.2]')
    assert len(lines) == 2
    assert "[grid]: loop.human = -3" in lines[0]
    assert '[grid]: loop.human = "x"' in lines[1]


@pytest.mark.parametrize("grid", ['"loop.human" = 3', '"loop.human" = []', "loop = { human = [1, 2] }"])
def test_a_grid_that_is_no_table_of_lists_is_refused(mistakes, grid):
    (line,) = mistakes(f"{TOY}{LOOP}\n[grid]\n{grid}")
    assert "wrong.toml: [grid] maps a key to a list of values" in line


@pytest.mark.parametrize("grid", ['"loop.human" = [5, 5]', '"domain.share" = [1, 1.0]', '"loop.rounds" = [3, 4]'])
def test_a_grid_that_asks_for_the_same_run_twice_is_refused(mistakes, grid):
    (line,) = mistakes(f"{TOY}{LOOP}\n[grid]\n{grid}")
    assert "wrong.toml" in line
    assert "the same run" in line


def test_an_unknown_key_of_the_grid_is_refused(mistakes):
    lines = mistakes(f'{TOY}{LOOP}\n[grid]\n"loop.humn" = [1]')
    assert "'human'" in lines[0]


# --- what is shipped


def shipped() -> list[str]:
    names = sorted(path.stem for path in presets.packaged().glob("*.toml"))
    return [*names, *(f"{name}-mini" for name in names if presets.read(str(presets.packaged() / f"{name}.toml-mini")))]


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_preset_and_its_mini_is_valid(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIASLOOP_PRESETS", raising=False)
    found = presets.read(name)
    for _, experiment in arms_of(found):
        assert experiment.summary
        assert experiment.source
        assert experiment.bound or experiment.plot.series


def test_every_shipped_figure_names_presets_that_exist(tmp_path, monkeypatch):
    from biasloop.report.figures import of_runs

    monkeypatch.chdir(tmp_path)
    for path in (presets.packaged() / "figures").glob("*.toml"):
        figure = of_runs.published(path.stem, path, tmp_path)
        assert figure.missing
        assert not figure.rows
