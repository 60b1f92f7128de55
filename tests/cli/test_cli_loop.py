"""`biasloop loop`: what it prints, where runs lie, what is refused, and how it goes on."""

import json
import math
from pathlib import Path

import pytest
from support import toy
from support.loops import stored_bytes

from biasloop.bound import bound
from biasloop.errors import InvalidInput, Mismatch, SomethingToFetch, StoreError


def objects(text: str) -> list[dict]:
    """Every line of stdout as JSON."""
    return [json.loads(line) for line in text.splitlines()]


def test_json_is_one_object_a_round_and_one_at_the_end(cli):
    result = cli("loop", "-p", "toy", "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    *rounds, end = objects(result.stdout)
    assert end == {"done": True, "runs": ["runs/toy/seed-0"]}
    assert [one["round"] for one in rounds] == [0, 1, 2, 3]
    limits = bound(100, 5, 20, 0.05, 3)
    for t, one in enumerate(rounds):
        assert list(one) == ["run", "seed", "arm", "round", "metrics", "sizes", "seconds"]
        assert (one["run"], one["seed"], one["arm"]) == ("runs/toy/seed-0", 0, "")
        assert one["sizes"]["train"] == 100 + 25 * t
        assert one["seconds"] >= 0
        for metric in one["metrics"].values():
            assert list(metric) == ["value", "n", "se"]
            assert isinstance(metric["n"], int)
        assert one["metrics"]["share_predicted"]["value"] == pytest.approx(0.5 + limits[t], abs=1e-12)
        assert one["metrics"]["share_target"]["se"] is None


def test_json_has_no_nan(cli):
    result = cli("loop", "-p", "toy", "--json", "--set", "domain.unlabelled=900", "--set", "loop.human=0")
    assert "NaN" not in result.stdout
    missing = {"value": None, "n": 0, "se": None, "reason": "0/0: there are no rows that it could rest on"}
    assert objects(result.stdout)[1]["metrics"]["label_error"] == missing


def test_a_log_has_one_line_a_round_then_results_and_commands(cli):
    result = cli("loop", "-p", "toy")
    lines = result.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["round", "train"])
    rows = [line.split() for line in lines[start + 1 : start + 5]]
    assert [row[:4] for row in rows] == [
        ["0", "100", "100", "0"], ["1", "125", "105", "20"], ["2", "150", "110", "40"], ["3", "175", "115", "60"],
    ]  # fmt: skip
    assert [row[5] for row in rows] == [row[6] for row in rows]  # the toy attains its bound
    assert "  biasloop plot runs/toy" in lines
    assert "  biasloop bound --from runs/toy/seed-0" in lines
    assert "the preset names seeds 0-2; to run them:" in lines
    assert "\x1b" not in result.stdout


def test_seeds_are_suggested_only_where_the_preset_names_them(cli):
    text = Path("presets/toy.toml").read_text()
    assert 'seeds = "0-2"' in text
    Path("mine.toml").write_text(text.replace('seeds = "0-2"\n', ""))
    of_seed = ("--seeds", "1", "--set", "loop.rounds=1")
    assert "names seeds" not in cli("loop", "-p", "./mine.toml", *of_seed).stdout
    assert "the preset names seeds 0-2; to run them:" in cli("loop", "-p", "toy", *of_seed).stdout


def test_the_same_command_goes_on_and_a_finished_run_is_left_alone(cli):
    cli("loop", "-p", "toy", "--set", "loop.rounds=2", "--out", "out", "--keep-models")
    first = stored_bytes(Path("out/seed-0"))
    result = cli("loop", "-p", "toy", "--out", "out", "--json", "--keep-models")
    assert [one.get("round") for one in objects(result.stdout)] == [0, 1, 2, 3, None]
    extended = stored_bytes(Path("out/seed-0"))
    assert {name: extended[name] for name in first} == first
    again = cli("loop", "-p", "toy", "--out", "out", "--json", "--keep-models")
    assert objects(again.stdout) == objects(result.stdout)
    assert stored_bytes(Path("out/seed-0")) == extended
    cli("loop", "-p", "toy", "--out", "straight", "--keep-models")
    assert stored_bytes(Path("straight/seed-0")) == extended


def test_another_experiment_is_refused_with_the_differing_keys(cli):
    cli("loop", "-p", "toy", "--out", "out")
    before = stored_bytes(Path("out/seed-0"))
    result = cli("loop", "-p", "toy", "--out", "out", "--set", "loop.human=6", "--set", "domain.delta=0.1")
    assert isinstance(result.exception, StoreError)
    message = str(result.exception)
    assert "loop.human is 5 there and 6 here" in message
    assert "domain.delta is 0.05 there and 0.1 here" in message
    assert "loop.model" not in message
    assert "--out" in message
    assert stored_bytes(Path("out/seed-0")) == before


def test_seeds_and_grid_make_one_run_each(cli):
    result = cli("loop", "-p", "toy", "--seeds", "0-1", "--json",
                 "--grid", "loop.human=5,25", "--grid", "loop.keep=all,subsample")  # fmt: skip
    *rounds, end = objects(result.stdout)
    arms = [f"loop.human={human},loop.keep={keep}" for human in (5, 25) for keep in ("all", "subsample")]
    assert end["runs"] == [f"runs/toy/{arm}/seed-{seed}" for seed in (0, 1) for arm in arms]
    assert {(one["run"], one["seed"], one["arm"]) for one in rounds} == {
        (f"runs/toy/{arm}/seed-{seed}", seed, arm) for seed in (0, 1) for arm in arms
    }
    assert all(Path(run, "manifest.json").is_file() for run in end["runs"])


def test_the_summary_has_one_row_an_arm_with_its_spread(cli):
    result = cli("loop", "-p", "toy", "--seeds", "0-1", "--grid", "loop.human=5,25", "--set", "domain.labels=bits",
                 "--set", "domain.pool=2000")  # fmt: skip
    rows = [line for line in result.stdout.splitlines() if "% human" in line][:2]
    assert ["20 % human" in rows[0], "55.56 % human" in rows[1]] == [True, True]
    assert all(" ± " in row and "[" in row for row in rows)
    assert "mean ± standard deviation over seeds" in result.stdout


def test_a_set_makes_a_directory_of_its_own_and_fixes_a_key_of_the_grid(cli, workplace):
    (workplace / "presets" / "grid.toml").write_text(toy.PRESET + '\n[grid]\n"loop.human" = [5, 25]')
    result = cli("loop", "-p", "grid", "--json", "--set", "loop.human=7")
    assert objects(result.stdout)[-1]["runs"] == ["runs/grid+loop.human=7/seed-0"]
    assert objects(result.stdout)[0]["arm"] == ""


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_dry_run_prints_the_plan_and_writes_nothing(cli, workplace, arguments):
    before = sorted(workplace.rglob("*"))
    result = cli("loop", "-p", "toy", "--seeds", "0-1", "--grid", "loop.human=5,25", "--dry-run", *arguments)
    assert result.exit_code == 0
    assert sorted(workplace.rglob("*")) == before
    if arguments:
        rows = json.loads(result.stdout)
        assert [(row["arm"], row["seed"], row["rounds"]) for row in rows][:2] == [
            ("loop.human=5", 0, 4), ("loop.human=25", 0, 4),
        ]  # fmt: skip
    else:
        assert result.stdout.count("runs/toy/loop.human=") == 4


def test_the_plan_counts_the_rounds_that_the_pool_allows(cli):
    result = cli("loop", "-p", "toy", "--set", "loop.rounds=1000", "--dry-run", "--json")
    assert json.loads(result.stdout)[0]["rounds"] == 1 + (1000 - 100) // 25


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("-p", "tay"), InvalidInput, "'toy'"),
        (("-p", "nowhere/x.toml"), InvalidInput, "nowhere/x.toml"),
        (("-p", "toy", "--set", "loop.humn=3"), InvalidInput, "'human'"),
        (("-p", "toy", "--set", "loop.human"), InvalidInput, "KEY=VALUE"),
        (("-p", "toy", "--grid", "loop.human"), InvalidInput, "KEY="),
        (("-p", "toy", "--grid", "loop.human=5,x"), InvalidInput, '--grid: loop.human = "x"'),
        (("-p", "toy", "--grid", "loop.human=5,6", "--set", "loop.human=7"), InvalidInput, "--set and with --grid"),
        (("-p", "toy", "--seeds", "2-1"), InvalidInput, "0-2"),
        (("-p", "toy", "--seeds", ""), InvalidInput, "0-2"),
        (("-p", "toy", "--seeds", "0-99999999999"), InvalidInput, "more than 10,000 seeds"),
        (("-p", "toy", "--checkpoint", "inf"), InvalidInput, "--checkpoint inf"),
        (("-p", "toy", "--set", "loop.rule=[]"), InvalidInput, "loop.rule = []"),
        (("-p", "toy", "--set", "loop.rule={}"), InvalidInput, "loop.rule"),
        (("-p", "toy", "--set", "loop.rule=3"), InvalidInput, "loop.rule = 3"),
        (("-p", "toy", "--set", "domain.name=[]"), InvalidInput, "domain.name = []"),
        (("-p", "toy", "--grid", "loop.start=" + ",".join(map(str, range(100, 10_200)))), InvalidInput,
         "10,100 combinations"),
        (("-p", "toy", "--set", "loop.start=5000"), Mismatch, "5000"),
        (("-p", "toy", "--set", "loop.label_by=argmax"), Mismatch, "sample"),
        (("-p", "tiny", "--set", "domain.data=cifar1"), InvalidInput, "'cifar10'"),
        (("-p", "tiny", "--set", "domain.imbalance.class=shrt"), InvalidInput, "'shirt'"),
        (("-p", "tiny", "--set", "domain.data=cifar10", "--set", "domain.imbalance.class=dog"), SomethingToFetch,
         "\n  biasloop fetch cifar10"),
    ],
)  # fmt: skip
def test_a_refusal_comes_before_anything_is_written(cli, workplace, arguments, kind, words):
    result = cli("loop", *arguments)
    assert isinstance(result.exception, kind), result.exception
    assert words in str(result.exception)
    assert result.stdout == ""
    assert not list(workplace.glob("runs/**/*.h5"))


@pytest.mark.parametrize("seconds", ["nan", "-1", "x", "9" * 5_000, "1e999"])
def test_seconds_that_are_none_are_refused(cli, seconds):
    result = cli("loop", "-p", "toy", "--checkpoint", seconds)
    assert result.exit_code == 2 or isinstance(result.exception, InvalidInput)
    assert not Path("runs").exists()


def test_a_preset_whose_bound_names_no_metric_still_ends_well(cli, workplace):
    (workplace / "presets" / "odd.toml").write_text(toy.PRESET.replace('metric = "share_predicted"', 'metric = "no"'))
    result = cli("loop", "-p", "odd")
    assert result.exit_code == 0, result.exception
    assert "runs are in runs/odd" in result.stdout


def test_without_a_bound_no_command_for_one_is_offered(cli, workplace):
    (workplace / "presets" / "bare.toml").write_text(toy.PRESET.split("[bound]")[0])
    result = cli("loop", "-p", "bare")
    assert result.exit_code == 0, result.exception
    assert "biasloop plot" not in result.stdout
    assert "biasloop bound" not in result.stdout


def test_only_the_newest_model_is_kept_unless_asked(cli):
    cli("loop", "-p", "toy", "--out", "newest")
    cli("loop", "-p", "toy", "--out", "every", "--keep-models")
    names = {
        place: sorted(path.name for path in Path(place, "seed-0").glob("model-*")) for place in ("newest", "every")
    }
    assert names == {"newest": ["model-0003.h5"], "every": [f"model-000{r}.h5" for r in range(4)]}
    ours, theirs = stored_bytes(Path("newest/seed-0")), stored_bytes(Path("every/seed-0"))
    assert all(theirs[name] == content for name, content in ours.items())


def test_tiny_pictures_go_round(cli):
    result = cli("loop", "-p", "tiny", "--json", "--device", "cpu", "--threads", "1")
    assert result.exit_code == 0, result.exception
    first, second, _ = objects(result.stdout)
    assert second["sizes"]["train"] == 80
    assert math.isclose(
        first["metrics"]["bias"]["value"],
        first["metrics"]["share_predicted"]["value"] - first["metrics"]["share_target"]["value"],
    )
