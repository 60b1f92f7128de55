"""The command that makes runs again: it comes to the very same settings, or none is named."""

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from biasloop.cli.main import app
from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.report.arms import arms, open_runs
from biasloop.report.html.repeating import repeat, seed_ranges
from biasloop.running import engine, study
from biasloop.running.engine import Options

ARMS = """
extends = "toy"

[arms.plain]

[arms."all by humans"]
loop = { human = 25, model = 0 }

[arms.wider]
domain = { delta = 0.1 }
"""


@pytest.fixture(scope="module")
def presets_here(place) -> Path:
    """Presets with arms, and with a grid."""
    (place / "presets" / "arms.toml").write_text(ARMS)
    (place / "presets" / "grid.toml").write_text('extends = "toy"\n\n[grid]\n"loop.human" = [0, 5, 25]\n')
    return place


def made(name: str, out: Path, seeds=(0,), changes=None, grid=None, only=None) -> list:
    """Runs of a preset, without computing more than their set-up and a round."""
    preset = presets.read(name).override({("loop", "rounds"): 1, **(changes or {})}, "--set")
    preset = preset.vary(grid, "--grid") if grid else preset
    options = Options(Path("data"))
    for planned in study.plan(arms_of(preset), list(seeds), out, options):
        if only is None or planned.arm in only:
            engine.run(engine.prepare(planned.experiment, planned.seed, options), planned.directory, options)
    return open_runs([out])


def settings_of(command: str) -> set[str]:
    """What a command would run, as `loop --dry-run` does not tell: identities of its arms."""
    words = shlex.split(command)
    sets = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    grids = [words[i + 1] for i, word in enumerate(words) if word == "--grid"]
    asked = presets.read(words[words.index("--preset") + 1]).override(presets.parse_sets(sets), "--set")
    asked = asked.vary(presets.parse_grids(grids), "--grid") if grids else asked
    named = [words[i + 1] for i, word in enumerate(words) if word == "--arm"]
    every = [each for _, each in arms_of(asked) if not named or each.arm in named]
    return {repr(sorted(each.identity(0).items(), key=str)) for each in every}


@pytest.mark.parametrize(
    ("name", "how", "words"),
    [
        ("toy", {"seeds": (0, 1, 2, 5)}, ["--seeds", "0-2,5", "--set", "loop.rounds=1"]),
        ("toy", {"changes": {("loop", "human"): 7}}, ["--set", "loop.human=7"]),
        ("toy", {"changes": {("domain", "labels"): "bits"}}, ["--set", 'domain.labels="bits"']),
        ("grid", {}, ["--preset", "grid"]),
        ("grid", {"only": {"loop.human=5"}}, ["--grid", "loop.human=[5]"]),
        ("arms", {"only": {"plain", "wider"}}, ["--arm", "plain", "--arm", "wider"]),
        ("arms", {"only": {"all by humans"}}, ["--arm", "all by humans"]),
    ],
)
def test_the_command_makes_these_runs_and_no_others(presets_here, tmp_path, name, how, words):
    runs = made(name, tmp_path / "out", **how)
    told = repeat(runs, arms(runs))
    shown = shlex.split(told.command)
    for word in words:
        assert word in shown
    assert settings_of(told.command) == {repr(sorted({**run.identity, "seed": 0}.items(), key=str)) for run in runs}
    checked = CliRunner().invoke(app, [*shown[1:], "--dry-run", "--output", str(tmp_path / "again")])
    assert checked.exit_code == 0, checked.output


def test_what_differs_from_the_preset_is_listed_with_both_values(presets_here, tmp_path):
    runs = made("toy", tmp_path / "out", changes={("domain", "delta"): 0.25})
    listed = {each.key: (each.arms, each.value, each.preset) for each in repeat(runs, arms(runs)).overrides}
    assert listed == {"domain.delta": ((), 0.25, 0.05), "loop.rounds": ((), 1, 4)}


def test_without_the_preset_no_command_is_named(presets_here, tmp_path):
    (presets_here / "presets" / "gone.toml").write_text('extends = "toy"\n')
    runs = made("gone", tmp_path / "out")
    (presets_here / "presets" / "gone.toml").unlink()
    told = repeat(runs, arms(runs))
    assert told.command == ""
    assert told.note == "The preset 'gone' is not here, so that no command is known to make these runs again."


def test_values_that_were_varied_are_a_grid_and_what_that_makes_besides_is_told(presets_here, tmp_path):
    made("toy", tmp_path / "a", changes={("loop", "human"): 7, ("domain", "delta"): 0.1})
    made("toy", tmp_path / "b", changes={("loop", "human"): 9, ("domain", "delta"): 0.2})
    runs = open_runs([tmp_path])
    told = repeat(runs, arms(runs))
    assert "--grid 'domain.delta=[0.1, 0.2]' --grid 'loop.human=[7, 9]'" in told.command
    assert told.note == "It makes 2 more than the 2 arms that are reported here."
    assert {(each.key, each.value) for each in told.overrides} == {
        ("loop.rounds", 1), ("loop.human", 7), ("loop.human", 9), ("domain.delta", 0.1), ("domain.delta", 0.2),
    }  # fmt: skip


def test_where_the_preset_sets_what_the_runs_do_not_have_no_command_is_named(presets_here, tmp_path):
    path = presets_here / "presets" / "changed.toml"
    path.write_text('extends = "toy"\n')
    runs = made("changed", tmp_path / "out")
    path.write_text('extends = "toy"\n\n[loop]\nsnapshots = 1\n')
    told = repeat(runs, arms(runs))
    assert told.command == ""
    assert "no one command is known to make them" in told.note
    assert ("loop.snapshots", None, 1) in {(each.key, each.value, each.preset) for each in told.overrides}


@pytest.mark.parametrize(
    ("seeds", "text"), [([0], "0"), ([2, 0, 1], "0-2"), ([0, 2], "0,2"), ([5, 3, 4, 9, 5], "3-5,9"), ([], "")]
)
def test_seeds_are_written_as_options_read_them(seeds, text):
    assert seed_ranges(seeds) == text
    if seeds:
        assert presets.parse_seeds(text) == sorted(set(seeds))
