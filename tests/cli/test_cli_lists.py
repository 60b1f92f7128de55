"""`presets`, `plugins`, `runs`, `doctor`, `fetch`: what they list, as text and as JSON, and how they refuse."""

import json
import os
from pathlib import Path

import pytest
import tomli
import tomli_w
from support import toy

from biasloop import datasets
from biasloop.config import presets
from biasloop.config.validation import arms_of, validate
from biasloop.errors import InvalidInput


def answer(result):
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


# --- presets


def test_presets_are_listed_with_domain_source_and_summary(cli):
    found = {one["name"]: one for one in answer(cli("presets", "--json"))}
    assert found["toy"] == {
        "name": "toy", "domain": "toy", "source": "made up", "summary": "A toy whose bias attains its bound",
        "path": str(Path("presets/toy.toml").resolve()), "mini": True, "problem": "", "parameters": "", "also": [],
        "group": "toy", "runs": 3, "rounds": 4, "samples": 175, "seconds": None, "offline": True, "mini_offline": True,
        "own": "", "needs": [], "download_bytes": 0,
    }  # fmt: skip
    assert found["quickstart"]["domain"] == "images"
    text = cli("presets").stdout
    assert "toy (-mini)" in text
    assert "A toy whose bias attains its bound" in text


def test_a_preset_that_cannot_be_read_is_told_and_does_not_hide_the_others(cli, workplace):
    (workplace / "presets" / "broken.toml").write_text("a = = 1")
    result = cli("presets", "--json")
    assert "broken.toml" in result.stderr
    assert {"toy", "quickstart"} <= {one["name"] for one in answer(result)}


def test_the_list_says_where_each_comes_from_and_names_what_a_shipped_name_hides(cli, workplace):
    (workplace / "presets" / "quickstart.toml").write_text(toy.PRESET)
    result = cli("presets")
    mine, hidden = (str(Path(f"presets/{name}.toml").resolve()) for name in ("toy", "quickstart"))
    lines = {line.split()[0]: line.split()[-1] for line in result.stdout.splitlines() if line.strip()}
    assert (lines["toy"], lines["quickstart"]) == (mine, "biasloop")
    assert f"{hidden} has the name of a preset that comes with biasloop" in result.stderr
    shown = cli("presets", "show", "quickstart")
    assert f"--preset {hidden}" in shown.stderr
    assert "fashion-mnist" in shown.stdout


def test_a_preset_is_shown_with_every_default(cli):
    shown = answer(cli("presets", "show", "toy", "--json"))
    assert shown["domain"]["delta"] == 0.05
    assert shown["loop"].items() >= {"rule": "accumulate", "start": 100, "human": 5, "model": 20, "rounds": 4}.items()
    assert shown["loop"]["keep"] == "all"
    assert answer(cli("presets", "show", "toy-mini", "--json"))["loop"]["rounds"] == 2
    changed = answer(cli("presets", "show", "toy", "--set", "loop.human=9", "--json"))
    assert changed["loop"]["human"] == 9


def test_options_of_the_selectors_of_all_arms_are_shown_and_settings_without_a_value_named(cli):
    text = cli("presets", "show", "quickstart-selection", "--plain").stdout
    assert "[selection.options.reducr]\neta = " in text
    assert '[selection.options.train-loss]\nby = "rank"' in text
    assert "\n[selection.options.fixed-weights]" not in text  # which the arm has to say
    text = cli("presets", "show", "quickstart-roles").stdout
    assert "# Without a value: domain.path, domain.side, domain.genders\n" in text
    assert "Without a value" not in cli("presets", "show", "toy").stdout


def test_the_text_of_a_preset_is_a_preset_that_runs_the_same(cli, workplace):
    grid = toy.PRESET.replace("model = 20", "per_round = 25") + '\n[grid]\n"loop.human" = [5, 25]\n'
    (workplace / "presets" / "grid.toml").write_text(grid)
    varied = '[grid]\ncompat = ["fixed", "released"]\n"domain.network" = ["gpt2", "gpt2-large"]\n'
    (workplace / "presets" / "varied.toml").write_text(f'extends = "fig5-beam"\n{varied}')
    for name in ("toy", "toy-mini", "tiny", "grid", "varied"):
        text = cli("presets", "show", name).stdout
        assert "arms" not in tomli.loads(text)
        (workplace / "copy.toml").write_text(text)
        ours, copied = arms_of(presets.read(name)), arms_of(presets.read("copy.toml"))
        assert [chosen for chosen, _ in copied] == [chosen for chosen, _ in ours]
        for (_, one), (_, other) in zip(ours, copied, strict=True):
            assert other.model_copy(update={"name": one.name}) == one


@pytest.mark.parametrize("setting", [(), ("--set", "loop.human=4"), ("--set", "domain.delta=0.3")])
def test_what_is_printed_of_arms_is_read_back_as_the_same_arms(cli, workplace, setting):
    arms = '[arms.plain]\n[arms."a b"]\ndomain = { epochs = 9 }\nloop = { human = 9 }\n[arms.c.loop]\nper_round = 40\n'
    (workplace / "presets" / "arms.toml").write_text(f'extends = "toy"\n{arms}[grid]\n"domain.share" = [0.4, 0.5]\n')
    text, told = (
        cli("presets", "show", "arms", *setting).stdout,
        answer(cli("presets", "show", "arms", *setting, "--json")),
    )
    assert list(told["arms"]) == list(tomli.loads(text)["arms"]) == ["plain", "a b", "c"]
    changes = presets.parse_sets(setting[1:])
    ours = arms_of(presets.read("arms").override(changes, "--set"))
    for written in (text, tomli_w.dumps(told)):
        (workplace / "copy.toml").write_text(written)
        copied = arms_of(presets.read("copy.toml"))
        assert [(chosen, one.model_copy(update={"name": "arms"})) for chosen, one in copied] == ours


OPEN = {  # preset: (compat, what is left open in it or is "published" there)
    "ffl-cmnist-mc": ("fixed", {
        "loss": "bce-sum", "generator_optimizer": "adam", "generator_learning_rate": 1e-3,
        "generator_weight_decay": 1e-5, "classifier_learning_rate": 0.1, "classifier_weight_decay": 0.0,
        "freeze_norm": False, "latent": 20, "coloring_seed": "a number of each run's own",
    }),
    "ffl-svhn-mc": ("released", {
        "loss": "squared-sum", "generator_optimizer": "adamw", "generator_learning_rate": 1e-3,
        "generator_weight_decay": 1e-2, "classifier_learning_rate": 0.1, "classifier_weight_decay": 0.0,
        "freeze_norm": True, "latent": 32, "coloring_seed": "the run's seed",
    }),
    "fig5-beam": ("fixed", {"batch_size": 16, "accumulation": 1, "learning_rate": 5e-5}),
    "fig6-overfit": ("fixed", {"batch_size": 16, "accumulation": 1}),
    "fig19-nucleus": ("released", {"batch_size": 8, "accumulation": 2, "learning_rate": 1e-5}),
    "fig20-beam": ("fixed", {"batch_size": 4, "accumulation": 4, "learning_rate": 1e-5}),
    "fig9-left": ("released", {
        "weight_decay": 5e-4 / 128, "pixel_mean": [0.4914, 0.4822, 0.4465], "pixel_std": [0.2471, 0.2435, 0.2616],
    }),
    "bias-amp-fashion-epsilon": ("fixed", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN)
def test_what_a_preset_leaves_open_is_shown_with_what_it_comes_to(cli, workplace, name):
    compat, values = OPEN[name]
    setting = ("--set", f"compat={compat}")
    shown = answer(cli("presets", "show", name, *setting, "--json"))
    assert shown.get("resolved", {}) == {f"domain.{key}": value for key, value in values.items()}
    text = cli("presets", "show", name, *setting).stdout
    for key, value in shown.get("resolved", {}).items():
        assert f"\n# {key} = {json.dumps(value)}\n" in text
    assert text.count("\n# domain.") == len(values)
    ours = validate(presets.read(name).override({("compat",): compat}, "--set"))
    for written in (text, tomli_w.dumps(shown)):
        (workplace / "copy.toml").write_text(written)
        assert validate(presets.read("copy.toml")).model_copy(update={"name": name}) == ours


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("tay",), "'toy'"), (("toy", "--set", "loop.humn=1"), "'human'"), (("toy", "--set", "x"), "KEY=VALUE")],
)
def test_a_preset_that_is_not_there_or_not_valid_is_not_shown(cli, arguments, words):
    result = cli("presets", "show", *arguments)
    assert isinstance(result.exception, InvalidInput)
    assert words in str(result.exception)


# --- plugins


def test_plugins_are_listed_with_their_distribution_and_state(cli):
    found = {one["name"]: one for one in answer(cli("plugins", "--json"))}
    assert found["toy"]["distribution"] == "biasloop-toy"
    assert found["toy"]["version"] == "0.1.0"
    assert found["toy"]["problem"] is None
    assert found["images"]["distribution"] == "biasloop"
    text = cli("plugins").stdout
    assert "biasloop-toy 0.1.0" in text
    assert "works" in text


@pytest.fixture
def odd_plugins(tmp_path, monkeypatch, workplace):
    """Plugins that raise, take long, are no domain, are not there, or have another's name."""
    sources = tmp_path / "odd"
    sources.mkdir()
    (sources / "raises_at_import.py").write_text("raise RuntimeError('no licence key')\n")
    (sources / "takes_long.py").write_text(
        "import time\ntime.sleep(0.4)\nfrom biasloop_toy import ToyDomain\nclass Slow(ToyDomain):\n    pass\n"
    )
    (sources / "is_no_domain.py").write_text("class Thing:\n    pass\nnumber = 3\n")
    for distribution, name, target in (
        ("broken-one", "broken", "raises_at_import:Domain"),
        ("slow-one", "slow", "takes_long:Slow"),
        ("strange-one", "strange", "is_no_domain:Thing"),
        ("number-one", "number", "is_no_domain:number"),
        ("gone-one", "gone", "no_such_module:Domain"),
        ("first-twin", "twin", "biasloop_toy:ToyDomain"),
        ("second-twin", "twin", "biasloop_toy:ToyDomain"),
    ):
        toy.declare(sources, distribution, name, target)
    monkeypatch.syspath_prepend(sources)
    return sources


def test_plugins_that_do_not_work_are_told_and_break_nothing_else(cli, odd_plugins):
    result = cli("plugins", "--json")
    found = {}
    for one in answer(result):
        found.setdefault(one["name"], []).append(one)
    assert "RuntimeError: no licence key" in found["broken"][0]["problem"]
    assert "no_such_module" in found["gone"][0]["problem"]
    assert "Config" in found["strange"][0]["problem"]
    assert "not a class" in found["number"][0]["problem"]
    assert [one["distribution"] for one in found["twin"]] == ["first-twin", "second-twin"]
    assert all("first-twin and second-twin" in one["problem"] for one in found["twin"])
    assert (found["slow"][0]["slow"], found["slow"][0]["problem"]) == (True, None)
    assert found["toy"][0]["problem"] is None
    text = cli("plugins").stdout
    assert "no licence key" in text
    assert cli("loop", "-p", "toy", "--json").exit_code == 0
    assert cli("presets").exit_code == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [("broken", "no licence key"), ("twin", "first-twin and second-twin"), ("strange", "Config")],
)
def test_a_preset_of_a_plugin_that_does_not_work_is_refused_with_the_reason(cli, odd_plugins, name, words):
    result = cli("loop", "-p", "toy", "--set", f"domain.name={name}")
    assert isinstance(result.exception, InvalidInput)
    assert words in str(result.exception)


# --- runs


def test_runs_are_listed_wherever_they_lie(cli):
    assert answer(cli("runs", "--json")) == []
    assert "biasloop loop" in cli("runs").stderr
    cli("loop", "-p", "toy", "--seeds", "0-1")
    cli("loop", "-p", "toy", "--out", "else", "--grid", "loop.human=5,6")
    found = answer(cli("runs", "--json"))
    assert [(one["run"], one["preset"], one["seed"], one["rounds"], one["state"]) for one in found] == [
        (f"runs/toy/seed-{seed}", "toy", seed, 4, "finished (4 rounds)") for seed in (0, 1)
    ]
    assert answer(cli("runs", "list", "--json")) == found
    assert [one["run"] for one in answer(cli("runs", "list", "else", "--json"))] == [
        "else/loop.human=5/seed-0", "else/loop.human=6/seed-0",
    ]  # fmt: skip
    assert "runs/toy/seed-1" in cli("runs").stdout


def test_paths_of_runs_are_never_broken_however_narrow_the_terminal(cli, monkeypatch):
    from rich.console import Console

    from biasloop.cli import runs_list
    from biasloop.report import output

    narrow = Console(width=80, markup=False, emoji=False, highlight=False)
    for module in (output, runs_list):
        monkeypatch.setattr(module, "console", lambda **_: narrow, raising=False)
    directory = f"runs/{'long-' * 12}name"
    cli("loop", "-p", "toy", "--out", directory, "--grid", "loop.human=5,6")
    listed = cli("runs", "list", directory).stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == [
        f"{directory}/loop.human={human}/seed-0" for human in (5, 6)
    ]
    cli("loop", "-p", "toy")
    assert "───" in cli("runs", "list", "runs/toy").stdout


def test_a_list_of_runs_is_a_table_from_the_width_at_which_one_fits(cli, monkeypatch):
    from rich.console import Console

    from biasloop.cli import runs_list
    from biasloop.report import output

    cli("loop", "-p", "toy", "--out", "runs/toy", "--set", "loop.rounds=1")

    def listed(width):
        drawn = Console(width=width, markup=False, emoji=False, highlight=False)
        for module in (output, runs_list):
            monkeypatch.setattr(module, "console", lambda **_: drawn)
        return cli("runs", "list", "runs/toy").stdout

    plain = listed(20)
    longest = max(map(len, plain.splitlines()))
    assert listed(longest) == plain
    assert "───" in listed(longest + 1)
    for width in (longest, longest + 1):
        assert sum("runs/toy/seed-0" in line and "finished" in line for line in listed(width).splitlines()) == 1


def test_a_damaged_run_is_listed_as_such_beside_the_others(cli):
    cli("loop", "-p", "toy", "--seeds", "0-1")
    Path("runs/toy/seed-0/round-0001.h5").unlink()
    first, second = answer(cli("runs", "--json"))
    assert "round-0001.h5 is missing" in first["state"]
    assert second["state"].startswith("finished")


def test_a_run_is_shown_as_experiment_and_rounds(cli):
    cli("loop", "-p", "toy")
    found = answer(cli("runs", "show", "runs/toy/seed-0", "--json"))
    assert found["experiment"]["seed"] == 0
    assert found["experiment"]["loop"].items() >= {"start": 100, "human": 5, "model": 20, "rounds": 4}.items()
    assert [row["round"] for row in found["rounds"]] == [0, 1, 2, 3]
    streamed = [json.loads(line) for line in cli("loop", "-p", "toy", "--json").stdout.splitlines()][:-1]
    for row, line in zip(found["rounds"], streamed, strict=True):
        assert row == {key: line[key] for key in ("round", "metrics", "sizes", "seconds")}
    text = cli("runs", "show", "runs/toy/seed-0").stdout
    assert "share_predicted" in text
    assert "seed = 0" in text


def test_verify_finds_damage_and_repair_mends_it(cli):
    cli("loop", "-p", "toy", "--seeds", "0-1")
    assert cli("runs", "verify", "runs/toy").exit_code == 0
    assert answer(cli("runs", "verify", "runs/toy", "--json")) == [
        {"run": f"runs/toy/seed-{seed}", "problems": []} for seed in (0, 1)
    ]
    path = Path("runs/toy/seed-0/round-0002.h5")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    result = cli("runs", "verify", "runs/toy", "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert "round-0002.h5" in first["problems"][0]
    assert "biasloop runs repair runs/toy/seed-0" in first["problems"][0]
    assert second["problems"] == []
    mended = answer(cli("runs", "repair", "runs/toy/seed-0", "--json"))
    assert mended["kept"] == 2
    assert {"round-0002.h5", "round-0003.h5"} <= set(mended["aside"])
    assert Path(mended["folder"], "round-0002.h5").read_bytes() == bytes(content)
    assert cli("loop", "-p", "toy").exit_code == 0
    assert cli("runs", "verify", "runs/toy").exit_code == 0


@pytest.mark.parametrize("command", ["show", "verify", "repair"])
def test_what_is_no_run_is_refused(cli, command):
    result = cli("runs", command, "nowhere")
    assert isinstance(result.exception, InvalidInput)
    assert "nowhere" in str(result.exception)


# --- doctor and fetch


def test_doctor_says_what_is_there(cli, workplace):
    found = answer(cli("doctor", "--json"))
    assert found["devices"][0] == "cpu"
    assert found["data_directory"] == str(workplace / "data")
    assert {"fashion-mnist-t10k", "adult", "emoji-roles", "sotu"} <= set(found["present"])
    assert "cifar10" in found["missing"]
    assert found["free_disk"] > 0
    assert 1 <= found["physical_cores"] <= os.cpu_count()
    assert 1 <= found["cores"] <= os.cpu_count()
    assert 100e6 < found["memory"] <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert len(found["gpu_memory"]) == len(found["devices"]) - 1
    text = cli("doctor").stdout
    assert "cifar10" in text
    assert found["torch"] in text


def test_data_sets_are_listed_with_their_size(cli):
    found = {one["name"]: one for one in answer(cli("fetch", "--json"))}
    assert found.keys() == {one.name for one in datasets.all_assets()}
    assert found["fashion-mnist-t10k"]["present"]
    assert not found["cifar10"]["present"]
    assert found["cifar10"]["bytes"] == datasets.get("cifar10").bytes
    assert "170.1 MB" in cli("fetch").stdout


def test_what_comes_with_the_package_is_not_fetched(cli):
    assert answer(cli("fetch", "fashion-mnist-t10k", "--json")) == [{"name": "fashion-mnist-t10k", "files": []}]
    assert cli("fetch", "fashion-mnist-t10k").stdout == "fashion-mnist-t10k: is there already\n"
    result = cli("fetch", "--preset", "tiny", "--json")
    assert answer(result) == []
    assert "needs nothing" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("cifar1",), "'cifar10'"), (("--preset", "tay"), "'toy'"), (("cifar10", "--from", "nowhere"), "nowhere")],
)
def test_what_cannot_be_fetched_is_refused(cli, arguments, words):
    result = cli("fetch", *arguments)
    assert result.exit_code == 1
    assert words in str(result.exception)


def test_fetch_says_whose_preset_it_asks(cli, workplace):
    (workplace / "presets" / "quickstart.toml").write_text(toy.PRESET)
    result = cli("fetch", "--preset", "quickstart")
    assert result.exit_code == 0, result.exception
    assert "quickstart is the preset that comes with biasloop" in result.stderr
