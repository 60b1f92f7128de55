"""`biasloop presets`: the list by study, other names of presets, copies to change, and what settings mean."""

import io
import json
import os
import pty
import re
import sys
import tomllib
from pathlib import Path

import pytest

from biasloop.cli import presets as command
from biasloop.cli.presets_list import _fetched
from biasloop.config import meaning, presets
from biasloop.config.flatten import flatten
from biasloop.config.validation import arms_of, resolved, validate
from biasloop.contract.context import Requirement
from biasloop.errors import InvalidInput

NEEDY = """
summary = "Cars"
source = "Driver & Rider 1999, figure 2"
also = ["AUTO", "the car one"]
seeds = "0-1"
[domain]
name = "images"
data = "cifar10"
network = "small-cnn"
test = 100
imbalance = { class = "dog", factor = 9 }
[loop]
start = 100
human = 5
model = 5
rounds = 3
[grid]
"loop.human" = [5, 6, 7]
[mini.domain]
data = "fashion-mnist-t10k"
imbalance = { class = "shirt" }
[mini.loop]
rounds = 2
[mini.grid]
"loop.human" = [5]
"""


@pytest.fixture
def needy(workplace):
    """A preset that has to fetch CIFAR-10, whose mini does not."""
    (workplace / "presets" / "cars.toml").write_text(NEEDY)


def names(result) -> list[str]:
    assert result.exit_code == 0, result.exception
    return [one["name"] for one in json.loads(result.stdout)]


def refused(result) -> str:
    assert isinstance(result.exception, InvalidInput), result.output
    return str(result.exception)


# --- the list


def test_words_and_a_domain_choose_presets(cli, needy):
    assert names(cli("presets", "cars", "--json")) == ["cars"]
    assert names(cli("presets", "list", "DRIVER", "figure 2", "--json")) == ["cars"]
    assert names(cli("presets", "the car", "--json")) == ["cars"]
    assert names(cli("presets", "--domain", "toy", "--json")) == ["toy"]
    assert "cars" not in names(cli("presets", "--domain", "language", "--json"))
    assert names(cli("presets", "cars", "--domain", "toy", "--json")) == []


def test_without_a_download_a_preset_or_its_mini_is_listed(cli, needy):
    (line,) = json.loads(cli("presets", "cars", "--json").stdout)
    assert (line["offline"], line["mini_offline"], line["download_bytes"]) == (False, True, 170052171)
    assert [need["name"] for need in line["needs"]] == ["cifar10"]
    (mini,) = json.loads(cli("presets", "cars", "--offline", "--json").stdout)
    assert (mini["name"], mini["runs"], mini["rounds"], mini["samples"]) == ("cars-mini", 2, 2, 110)
    assert names(cli("presets", "attains", "--offline", "--json")) == ["toy"]
    assert "ffl-celeba-mc" not in names(cli("presets", "celeba", "--offline", "--json"))  # of people's own files
    assert "files of your own in data/celeba" in cli("presets", "ffl-celeba-mc").stdout


def test_a_line_says_how_much_it_is_and_what_has_to_be_fetched(cli, needy):
    (line,) = [line for line in cli("presets", "cars").stdout.splitlines() if line.strip().startswith("cars")]
    assert "6 runs of 3 rounds, up to 120 samples" in line
    assert "to fetch: 170.1 MB (-mini: nothing)" in line


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        (None, "to fetch: not known"),
        ([], "nothing to fetch"),
        ([Requirement("a", "data", 0, present=True), Requirement("b", "data", 5, present=True)], "nothing to fetch"),
        ([Requirement("a", "data", 0, present=True), Requirement("b", "data", 2 * 10**6, present=False)],
         "to fetch: 2.0 MB"),
        ([Requirement("a", "data", 0, present=False), Requirement("b", "data", 2 * 10**6, present=False)],
         "to fetch: 2.0 MB + on request"),
        ([Requirement("a", "data", 0, present=False), Requirement("b", "data", 5, present=True)],
         "to fetch: on request"),
    ],
)  # fmt: skip
def test_what_is_there_is_not_said_to_be_fetched(needs, said):
    assert _fetched(needs) == said


def test_what_a_preset_took_here_is_told(cli):
    assert "3 runs of 4 rounds" in cli("presets", "toy").stdout
    cli("loop", "-p", "toy")
    (line,) = json.loads(cli("presets", "toy", "--domain", "toy", "--json").stdout)
    assert 0 < line["seconds"] < 60
    assert re.search(r"3 runs of about .* \(measured here\)", cli("presets", "toy").stdout)


def test_nothing_to_list_is_refused_with_what_comes_near(cli):
    assert "did you mean 'show'?" in refused(cli("presets", "shw"))
    assert "did you mean 'quickstart'?" in refused(cli("presets", "quikstart"))
    assert "did you mean 'language'?" in refused(cli("presets", "--domain", "langage"))
    assert "that runs without a download" in refused(cli("presets", "fig3-top-left", "--offline", "--domain", "toy"))


def test_at_80_columns_no_name_is_broken_and_no_line_is_longer(workplace, needy, monkeypatch):
    shown = b""

    def read(number):
        nonlocal shown
        piece = os.read(number, 65536)
        shown += piece
        return piece

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    pty.spawn([sys.executable, "-m", "biasloop", "presets"], read)
    lines = shown.decode().splitlines()
    assert max(len(line) for line in lines[:-1] if ".toml" not in line) <= 80  # a path is never broken
    begun = {line.split()[0] for line in lines if re.match(r"  \S", line)}
    assert set(presets.files()) <= begun
    groups = [line for line in lines if re.match(r"\S", line)]
    assert any(re.fullmatch(r"ffl \.\.\. \(Wyllie et al\. 2024\), generators", line) for line in groups)
    assert groups.index("quickstart ..., images") < groups.index("reducr ... (Bankes et al. 2024), images")


# --- other names


def test_what_a_study_calls_a_setting_finds_its_preset(cli, needy):
    for name in ("AUTO", "auto", "the car one"):
        shown = cli("presets", "show", name)
        assert "imbalance" in shown.stdout
        assert shown.stderr == f"{name} is what its publication calls the preset cars\n"
    assert "calls the preset cars" in cli("loop", "-p", "AUTO-mini", "--dry-run").stderr
    assert presets.read("AUTO-mini").name == "cars-mini"
    assert presets.read("SVHN MCNOSEQ").name == "ffl-svhn-mc-nonseq"
    assert presets.read("AR").name == "ffl-cmnist-mc-clastar"


def test_a_name_of_several_is_refused_with_all(cli):
    said = refused(cli("presets", "show", "MCNOSEQ"))
    assert "several presets: ffl-cmnist-mc-nonseq, ffl-svhn-mc-nonseq; name one of them" in said


def test_every_other_name_in_the_shipped_presets_means_one_or_is_refused_with_all():
    named: dict[str, list[str]] = {}
    for listed in presets.listing():
        for name in listed.also:
            named.setdefault(name.lower(), []).append(listed.name)
    assert len(named) > 50
    assert not set(named) & set(presets.files())
    for name in ("mcnoseq", "arcla", "svhn arcla", "cifar100_width", "syn50", "labimbal3"):
        assert name in named


def test_other_names_are_not_inherited(workplace, needy):
    (workplace / "presets" / "child.toml").write_text('extends = "cars"\n')
    assert {listed.name: listed.also for listed in presets.listing()}["child"] == ()
    assert presets.read("AUTO").name == "cars"


# --- copies


@pytest.mark.parametrize("name", ["quickstart", "quickstart-roles", "reducr-ablations", "ffl-cmnist-mc", "toy"])
@pytest.mark.parametrize("flat", [(), ("--flat",)])
def test_a_copy_runs_the_same(cli, workplace, name, flat):
    result = cli("presets", "copy", name, "mine.toml", *flat)
    assert result.exit_code == 0, result.exception
    assert result.stdout.endswith("\n  biasloop loop --preset ./mine.toml\n")
    text = Path("mine.toml").read_text()
    assert ("extends" in tomllib.loads(text)) == (not flat)
    ours, copied = arms_of(presets.read(name)), arms_of(presets.read("./mine.toml"))
    assert [(chosen, one.identity(0), one.plot, one.bound, one.seeds) for chosen, one in copied] == [
        (chosen, one.identity(0), one.plot, one.bound, one.seeds) for chosen, one in ours
    ]


def test_every_setting_stands_in_a_copy_to_be_changed(cli):
    cli("presets", "copy", "toy")
    text = Path("my-toy.toml").read_text()
    changed = text.replace("#human = 5", "human = 9").replace("#delta = 0.05", "delta = 0.2")
    Path("my-toy.toml").write_text(changed)
    experiment = validate(presets.read("./my-toy.toml"))
    assert (experiment.loop.human, experiment.domain.settings["delta"]) == (9, 0.2)


def test_one_setting_of_a_table_is_changed_by_taking_away_its_sign_alone(cli):
    cli("presets", "copy", "quickstart", "mine.toml")
    text = Path("mine.toml").read_text()
    for line, changed in (("#factor = 9", "factor = 5"), ("#threads = 1", "threads = 2"), ("#pool = []", "pool = []")):
        assert text.count(line) == 1
        text = text.replace(line, changed)
    Path("mine.toml").write_text(text)
    experiment = validate(presets.read("./mine.toml"))
    assert experiment.domain.settings["imbalance"]["factor"] == 5
    assert experiment.resources.threads == 2


def test_an_arm_of_a_copy_stays_a_comment_from_end_to_end(cli):
    cli("presets", "copy", "reducr-ablations", "mine.toml")
    lines = Path("mine.toml").read_text().splitlines()
    assert lines[1] == "# An arm takes the place of the whole arm: take away the # of all its lines."
    assert [line for line in lines if line.startswith("#[arms.")]
    assert not [line for line in lines if line.startswith("[arms")]


def test_a_setting_without_effect_is_told_wherever_the_preset_is_read(cli):
    cli("presets", "copy", "quickstart", "mine.toml")
    text = Path("mine.toml").read_text()
    Path("mine.toml").write_text(text.replace("#human = 20", "human = 70"))
    line = "mine.toml: loop.human = 70 has no effect: [grid] sets it"
    for words in (["presets", "show", "./mine.toml"], ["loop", "-p", "./mine.toml", "--dry-run"]):
        assert cli(*words).stderr.count(line) == 1
        assert line not in cli(*words, "--set", "loop.human=30").stderr
    assert cli("presets", "show", "./mine.toml", "--json").stderr.count(line) == 1


def test_a_copy_replaces_nothing_and_its_name_is_that_of_a_preset(cli):
    Path("mine.toml").write_text("before")
    assert "--output mine.toml: this file is there already" in refused(cli("presets", "copy", "toy", "mine.toml"))
    assert "ends in .toml" in refused(cli("presets", "copy", "toy", "-o", "mine"))
    assert "give one of them" in refused(cli("presets", "copy", "toy", "a.toml", "-o", "b.toml"))
    assert cli("presets", "copy", "toy", "-o", "mine.toml", "--force").exit_code == 0


def test_a_mini_and_changed_settings_are_copied_whole(cli):
    cli("presets", "copy", "toy-mini")
    assert validate(presets.read("./my-toy-mini.toml")).loop.rounds == 2
    done = json.loads(cli("presets", "copy", "toy", "a.toml", "--set", "loop.human=7", "--json").stdout)
    assert done == {"file": "a.toml", "preset": "toy", "extends": False}
    assert validate(presets.read("./a.toml")).loop.human == 7


# --- meanings


def test_each_setting_has_its_meaning_above_it(cli):
    text = cli("presets", "show", "quickstart").stdout
    assert "\n# Images a step.\nbatch_size = 50\n" in text
    assert "\n# The metric that feedback moves, " in text
    assert "Images a step." not in cli("presets", "show", "quickstart", "--plain").stdout
    assert tomllib.loads(text) == tomllib.loads(cli("presets", "show", "quickstart", "--plain").stdout)


def test_what_is_as_published_says_what_it_comes_to_where_it_stands(cli):
    text = cli("presets", "show", "quickstart-selection", "--set", "domain.weight_decay=0.01").stdout
    assert "# here" not in text
    text = cli("presets", "show", "bias-amp-fashion-epsilon", "--set", "compat=released").stdout
    for key, value in re.findall(r"^# domain\.(\w+) = (.*)$", text, re.MULTILINE):
        assert f"\n# here {value}\n{key} = " in text


@pytest.mark.parametrize(
    "name", ["quickstart", "quickstart-generations", "quickstart-clip", "quickstart-language", "quickstart-roles",
             "quickstart-selection", "quickstart-textclass"],
)  # fmt: skip
def test_every_setting_of_every_bundled_domain_has_a_meaning(name):
    preset = presets.read(name)
    experiment = validate(preset)
    without = [
        key for key in flatten(resolved(preset))
        if key.split(".")[0] in ("domain", "loop", "selection", "bound", "resources")
        and key != "loop.per_round"  # stands for model, and is no setting of its own
        and not any(meaning.meaning(experiment, tuple(key.split(".")[:end])) for end in (2, None))
    ]  # fmt: skip
    assert without == []


def test_a_preset_is_shown_in_one_piece_so_that_a_reader_of_its_first_lines_breaks_no_pipe(workplace, monkeypatch):
    pieces: list[str] = []

    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stdout", Pipe())
    command.show_preset("toy")
    (text,) = filter(None, pieces)
    assert text.startswith("# ")
    assert text.endswith("\n")
