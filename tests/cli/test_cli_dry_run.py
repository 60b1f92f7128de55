"""`loop --dry-run` refuses what the run would refuse, in the same words, and says what is finished."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import toy

from biasloop.errors import InvalidInput, Mismatch, SomethingToFetch, StoreError
from biasloop.store import claims

PROGRAMS = """
[domain]
name = "command"
data = "rows.csv"
target = "y"
test = 2
train = ["true", "{train}", "{model}"]
predict = ["true", "{model}", "{input}", "{output}"]

[loop]
start = 4
human = 1
model = 1
rounds = 2
"""
LANGUAGE = """
[domain]
name = "language"
network = "small"
test = 20

[loop]
start = 20
human = 5
model = 5
rounds = 2
"""


@pytest.fixture
def refused(cli, workplace):
    """What a dry run and a run are refused with, which has to be the same, before anything is written."""

    def run(*arguments: str):
        before = sorted(workplace.rglob("*"))
        dry = cli("loop", *arguments, "--dry-run")
        assert sorted(workplace.rglob("*")) == before
        wet = cli("loop", *arguments)
        assert (type(dry.exception), str(dry.exception)) == (type(wet.exception), str(wet.exception))
        assert (dry.stdout, wet.stdout) == ("", "")
        assert not [path for path in workplace.rglob("*.h5") if path not in before]
        return dry.exception

    return run


def test_a_place_that_holds_something_else_is_refused(refused, cli):
    assert cli("loop", "-p", "toy", "--out", "out").exit_code == 0
    error = refused("-p", "toy", "--out", "out", "--set", "loop.human=6")
    assert isinstance(error, StoreError)
    assert "loop.human is 5 there and 6 here" in str(error)
    Path("full/seed-0").mkdir(parents=True)
    Path("full/seed-0/letter.txt").write_text("dear")
    error = refused("-p", "toy", "--out", "full")
    assert "full/seed-0 is not empty and not a run (it holds 'letter.txt')" in str(error)


def test_a_place_that_cannot_be_made_is_refused(refused):
    Path("file").write_text("")
    Path("dangling").symlink_to("nowhere")
    for out, words in (
        ("file", "file is no directory"),
        ("file/deeper", "file is no directory"),
        ("dangling", "dangling is no directory"),
        ("/proc/nothing", "/proc/nothing/seed-0 cannot be written"),
        ("x" * 300, "too long for the name of a directory"),
    ):
        error = refused("-p", "toy", "--out", out)
        assert isinstance(error, StoreError)
        assert words in str(error)
    error = refused("-p", "toy", "--data", "file/x")
    assert isinstance(error, InvalidInput)
    assert "file is no directory, so that no data can lie in file/x" in str(error)
    Path("runs/toy").mkdir(parents=True)
    Path("runs/toy/seed-1").write_text("")
    assert "seed-1 is a file" in str(refused("-p", "toy", "--seeds", "0-1"))


@pytest.mark.parametrize(
    ("preset", "changes", "kind", "words"),
    [
        ("tiny", ["--device", "cuda:99"], InvalidInput, "device 'cuda:99' is not here"),
        ("tiny", ["--device", "gpu"], InvalidInput, "no device is called 'gpu'"),
        ("tiny", ["--set", "domain.network=resnet9"], InvalidInput, "no network is called 'resnet9'"),
        ("tiny", ["--set", "domain.depth=9"], InvalidInput, "domain.depth is for network 'cifar-resnet'"),
        ("words", ["--set", "domain.network=gpt3"], InvalidInput, "did you mean 'gpt2'"),
        ("words", ["--set", "domain.network=./none"], InvalidInput, "it lacks config.json"),
        ("words", ["--set", "domain.network=gpt2"], SomethingToFetch, "biasloop fetch gpt2"),
        ("words", ["--set", 'domain.scorers=["detoxfy"]'], InvalidInput, "no scorer is called 'detoxfy'"),
        ("words", ["--device", "cuda:99"], InvalidInput, "device 'cuda:99' is not here"),
        ("words", ["--set", "domain.small.width=130"], InvalidInput, "multiple of 4"),
        ("words", ["--set", "domain.small.layers=1000000000"], InvalidInput, "less than or equal to 1000"),
        ("quickstart-generations", ["--device", "cuda:99"], InvalidInput, "device 'cuda:99' is not here"),
        ("programs", ["--set", "loop.snapshots=1"], Mismatch, "does not say when an epoch ends"),
        ("programs", ["--device", "cuda"], Mismatch, "--device cuda: the domain 'command' chooses no device; leave"),
        ("programs", ["--set", "loop.label_by=drawn"], Mismatch, "the domain 'command' labels by 'argmax' or 'sample'"),
        ("words", ["--set", "domain.new_tokens=300"], InvalidInput, "leaves no room for a prompt: small holds 256"),
        (
            "tiny",
            ["--set", "domain.drop_last=true", "--set", "domain.batch_size=500"],
            InvalidInput,
            "there is no batch",
        ),
    ],
)
def test_what_a_domain_cannot_do_is_refused_before_anything_is_trained(
    refused, workplace, preset, changes, kind, words
):
    (workplace / "presets" / "words.toml").write_text(LANGUAGE)
    (workplace / "presets" / "programs.toml").write_text(PROGRAMS)
    (workplace / "rows.csv").write_text("x,y\n" + "1,a\n2,b\n" * 10)
    error = refused("-p", preset, *changes)
    assert isinstance(error, kind), error
    assert words in str(error)


def test_what_is_finished_is_shown(cli):
    assert cli("loop", "-p", "toy", "--set", "loop.rounds=3", "--out", "out").exit_code == 0
    rows = json.loads(cli("loop", "-p", "toy", "--out", "out", "--seeds", "0-1", "--dry-run", "--json").stdout)
    assert [(row["run"], row["rounds"], row["done"]) for row in rows] == [("out/seed-0", 4, 3), ("out/seed-1", 4, 0)]
    text = cli("loop", "-p", "toy", "--out", "out", "--dry-run").stdout
    assert ["out/seed-0", "0", "4", "3", "stopped"] in [line.split() for line in text.splitlines()]


@pytest.mark.parametrize("arguments", [("--dry-run",), ("--dry-run", "--json"), ()])
def test_rounds_that_the_reserve_does_not_allow_are_said(cli, arguments):
    changes = ["--set", "loop.rounds=1000", "--set", "domain.pool=200"]
    result = cli("loop", "-p", "toy", *changes, *arguments)
    assert result.exit_code == 0, result.exception
    assert "the reserve allows 5 rounds; loop.rounds asks for 1,000" in result.stderr
    assert "the reserve allows" not in cli("loop", "-p", "toy", "--dry-run").stderr


def test_more_runs_than_anybody_starts_are_refused_before_they_are_made(refused):
    error = refused("-p", "toy", "--seeds", "0-9999", "--grid", "loop.start=" + ",".join(map(str, range(100, 120))))
    assert "more than 100,000 runs" in str(error)


def test_whose_preset_runs_is_said_and_a_script_is_told_of_programs_alone(cli, workplace):
    (workplace / "presets" / "programs.toml").write_text(PROGRAMS)
    (workplace / "presets" / "quickstart.toml").write_text(toy.PRESET)
    (workplace / "rows.csv").write_text("x,y\n" + "1,a\n2,b\n" * 10)
    assert "toy is not one of the presets that come" in cli("loop", "-p", "toy", "--dry-run").stderr
    assert cli("loop", "-p", "toy", "--dry-run", "--json").stderr == ""
    for json_too in ((), ("--json",)):
        said = cli("loop", "-p", "programs", "--dry-run", *json_too).stderr
        assert "runs programs: true '{train}' '{model}'; true" in said
        said = cli("loop", "-p", "quickstart", "--dry-run", *json_too).stderr
        assert "presets/quickstart.toml has the same name" in said


def test_data_that_are_others_than_a_run_was_begun_with_are_refused(refused, cli, workplace):
    (workplace / "presets" / "programs.toml").write_text(PROGRAMS.replace('"true"', '"sh", "program.sh"'))
    Path("rows.csv").write_text("x,y\n" + "1,a\n2,b\n" * 10)
    Path("program.sh").write_text(
        'if [ $# = 2 ]; then : > "$2/model"; exit; fi\n'
        'awk -F, \'NR == 1 { print "id,prediction" } NR > 1 { print $1 ",a" }\' "$2" > "$3"\n'
    )
    done = cli("loop", "-p", "programs", "--out", "out")
    assert done.exit_code == 0, done.output
    Path("rows.csv").write_text("x,y\n" + "2,b\n1,a\n" * 10)
    error = refused("-p", "programs", "--out", "out")
    assert isinstance(error, StoreError)
    assert "out/seed-0 was made from other data" in str(error)
    assert "put the former data back, or begin another run with `biasloop loop` and another --output" in str(error)
    made = cli("generate", "--run", "out/seed-0", "-o", "labels.csv", "--run-programs")
    assert "out/seed-0 was made from other data" in str(made.exception)
    assert not Path("labels.csv").exists()


def test_a_plan_of_several_runs_is_summed_up(cli):
    assert cli("loop", "-p", "toy", "--out", "out").exit_code == 0
    text = cli("loop", "-p", "toy", "--out", "out", "--seeds", "0-9", "--dry-run").stderr
    assert "10 runs, 40 rounds, 4 of them finished" in text
    assert "rounds" not in cli("loop", "-p", "toy", "--out", "out", "--dry-run").stderr


def test_what_the_rest_takes_is_told_once_something_was_measured(cli, workplace):
    plan = ("loop", "-p", "toy", "--out", "out", "--grid", "loop.human=5,10", "--seeds", "0-1", "--dry-run")
    result = cli(*plan)
    assert "time: unknown; nothing like it was measured here yet (`--measure` does)" in result.stderr
    assert "human labels: 490, of which finished rounds took 0; 490 more are needed" in result.stdout
    assert "loop.human=10: 130 a run" in result.stdout
    assert cli("loop", "-p", "toy", "--out", "out", "--grid", "loop.human=5").exit_code == 0
    result = cli(*plan, "--jobs", "2")
    assert "490, of which finished rounds took 115; 375 more are needed" in result.stdout
    assert "one after another" in result.stdout
    assert "with 2 at once (judged by out/loop.human=5/seed-0)" in result.stdout
    assert "disk: about" in result.stdout
    assert "memory: about" in result.stdout
    assert "measured yet" not in result.stderr
    lines = json.loads(cli(*plan, "--json").stdout)
    assert [line["state"] for line in lines] == ["finished", *["not begun"] * 3]
    assert lines[0]["seconds_left"] == lines[0]["bytes_left"] == 0
    assert all(line["seconds_left"] > 0 and line["bytes_left"] > 0 for line in lines[1:])
    assert [(line["human_labels"], line["human_labels_bought"]) for line in lines[:2]] == [(115, 115), (130, 0)]
    assert {line["measured"] for line in lines[1:]} == {"out/loop.human=5/seed-0"}


def test_rounds_are_made_to_measure_and_leave_nothing(cli, workplace):
    result = cli("loop", "-p", "toy", "--dry-run", "--measure")
    assert "measured rounds of toy, seed 0, which are not kept" in result.stderr
    assert "judged by rounds that were made for it" in result.stdout
    assert not Path("runs").exists()
    assert isinstance(cli("loop", "-p", "toy", "--measure").exception, InvalidInput)


def test_a_run_that_somebody_makes_is_shown_as_running(cli):
    assert cli("loop", "-p", "toy", "--set", "loop.rounds=2", "--out", "out").exit_code == 0
    with claims.claimed(Path("out/seed-0")):
        result = cli("loop", "-p", "toy", "--out", "out", "--dry-run")
        (line,) = json.loads(cli("loop", "-p", "toy", "--out", "out", "--dry-run", "--json").stdout)
    assert f"running on {line['holder']['host']}" in result.stdout
    assert (line["state"], line["done"]) == ("running", 2)


def test_a_disk_that_is_too_small_is_said(cli, monkeypatch):
    assert cli("loop", "-p", "toy", "--out", "out").exit_code == 0
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=3))
    result = cli("loop", "-p", "toy", "--out", "out", "--seeds", "0-1", "--dry-run")
    assert "has 3 B free, which does not suffice" in result.stderr


def test_an_array_of_slurm_is_the_same_command_without_what_asks_for_the_plan(cli, monkeypatch):
    typed = ["biasloop", "loop", "-p", "toy", "--out", "a b", "--seeds", "0-2", "--dry-run", "--jobs", "2", "--json"]
    monkeypatch.setattr("sys.argv", typed)
    result = cli("loop", "-p", "toy", "--out", "a b", "--seeds", "0-2", "--dry-run", "--threads", "3")
    (line,) = [line for line in result.stdout.splitlines() if "sbatch" in line]
    words = shlex.split(line)
    assert words[:3] == ["sbatch", "--array=1-3", "--cpus-per-task=3"]
    assert words[-2] == "--wrap"
    command = ["biasloop", "loop", "-p", "toy", "--out", "a b", "--seeds", "0-2", "--no-wait"]
    assert words[-1] == f"{shlex.join(command)} || test $? -eq 5"
