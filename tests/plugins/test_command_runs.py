"""Whole runs with the domain "command": stopped anywhere and gone on with, the same bits; unlabelled rows."""

import csv
import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import toy
from support.commands import TRAIN, alive, settings, table
from support.loops import assert_same_run, records
from support.standard_errors import assert_checked

from biasloop.config.experiment import Experiment
from biasloop.running import engine
from biasloop.running.engine import Options
from biasloop.store.reader import Run
from biasloop_command import CommandDomain

OPTIONS = Options(Path("unused"), interval=1e9)
LOOP = {"start": 8, "human": 2, "model": 5, "rounds": 3, "label_by": "sample"}


def prepared(place, **changes):
    config = CommandDomain.Config.model_validate(settings(place, **changes))
    known = {"name": "own", "loop": LOOP, "domain": {"name": "command", **config.model_dump(mode="json")}}
    return engine.prepare(Experiment.model_validate(known), 0, OPTIONS)


class StopAt:
    """Asks to stop at the n-th question."""

    def __init__(self, at):
        self.at, self.asked = at, 0

    def __call__(self):
        self.asked += 1
        return self.asked >= self.at


def test_a_run_that_is_stopped_anywhere_goes_on_to_the_same_bits(tmp_path):
    table(tmp_path)
    engine.run(prepared(tmp_path, group="sex", follow="b"), tmp_path / "whole", OPTIONS)
    assert_checked(Run.open(tmp_path / "whole"))
    reasons = [""]
    for at in range(1, 100, 8):
        place = tmp_path / f"stopped-{at}"
        stopping = replace(OPTIONS, stopping=StopAt(at))
        reasons.append(engine.run(prepared(tmp_path, group="sex", follow="b"), place, stopping).reason)
        engine.run(prepared(tmp_path, group="sex", follow="b"), place, OPTIONS)
        assert_same_run(place, tmp_path / "whole")
        if reasons[-1]:
            break
    assert len(reasons) > 4


def test_rows_without_a_label_are_labelled_first_and_their_error_is_unknown(tmp_path):
    table(tmp_path)
    engine.run(prepared(tmp_path), tmp_path / "run", OPTIONS)
    setup, _, second, third = records(Run.open(tmp_path / "run"))
    assert setup.added.ids.max() < 36
    assert set(second.added.ids) >= {36, 37, 38, 39}
    assert second.frames["truth"]["known"].sum() == 1
    assert np.isnan(second.frames["truth"]["error"]).sum() == 4
    assert np.isnan(third.frames["truth"]["error"]).sum() == 0
    third = Run.open(tmp_path / "run").read("round-0002", models=True)
    given = third.models["model"].arrays["rows"].tobytes().decode()
    rows = list(csv.DictReader(given.splitlines()))
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert sum(row["made"] == "1" for row in rows) == 10
    assert len(rows) == 22


def test_a_broken_program_keeps_what_is_done_and_a_mended_one_goes_on(tmp_path):
    table(tmp_path)
    engine.run(prepared(tmp_path), tmp_path / "whole", OPTIONS)
    (tmp_path / "broken").write_text("")
    broken = TRAIN + f'[ ! -e {tmp_path}/broken ] || [ $(wc -l < "$1") -lt 12 ] || {{ echo no more >&2; exit 3; }}\n'
    with pytest.raises(Exception, match=r"domain.train \(sh .*exit code 3; it said last: no more"):
        engine.run(prepared(tmp_path, train=broken), tmp_path / "run", OPTIONS)
    assert len(Run.open(tmp_path / "run").rounds) == 1
    (tmp_path / "broken").unlink()
    engine.run(prepared(tmp_path, train=broken), tmp_path / "run", OPTIONS)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_program_may_keep_a_state_of_its_own_by_the_seed_of_a_model(tmp_path):
    table(tmp_path)
    engine.run(prepared(tmp_path), tmp_path / "whole", OPTIONS)
    state = f"state={tmp_path}/state/$3; [ -e $state ] || {{ mkdir -p $state; : > $state/half; exit 3; }}\n"
    train, failures = state + TRAIN + "rm -r $state\n", 0
    while True:
        try:
            engine.run(prepared(tmp_path, train=train), tmp_path / "run", OPTIONS)
            break
        except Exception as error:
            assert "exit code 3" in str(error)
            failures += 1
    assert failures == 3  # once a model
    assert list((tmp_path / "state").iterdir()) == []
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.fixture
def preset(tmp_path):
    """A preset whose training program waits for as long as a file `wait` is there; run in `tmp_path`."""
    table(tmp_path)
    waits = "if [ -e wait ]; then sleep 60 & one=$!; setsid sleep 60 & echo $$ $one $! > pids; wait; fi\n"
    known = settings(tmp_path, train=waits + TRAIN)
    lines = [f"{key} = {json.dumps(value)}" for key, value in known.items()]
    loop = [f"{key} = {json.dumps(value)}" for key, value in LOOP.items()]
    (tmp_path / "own.toml").write_text("\n".join(["[domain]", 'name = "command"', *lines, "[loop]", *loop, ""]))
    return tmp_path


def loop(place, *arguments):
    return toy.biasloop("loop", "--preset", "own.toml", *arguments, cwd=place, extra={"BIASLOOP_DATA": str(place)})


LOOP_WORDS = ("loop", "--preset", "own.toml", "--out", "run")


def waiting(preset, words=LOOP_WORDS):
    """A command whose training program, and what that has started, wait; and their numbers."""
    (preset / "wait").write_text("")
    (preset / "temporary").mkdir(exist_ok=True)
    started = subprocess.Popen(
        toy.command(*words), cwd=preset, text=True,
        env=toy.environment((), {"BIASLOOP_DATA": str(preset), "TMPDIR": str(preset / "temporary")}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (preset / "pids").exists() or len((preset / "pids").read_text().split()) < 3:
        assert time.monotonic() < until
        assert started.poll() is None, started.stderr.read()
        time.sleep(0.02)
    return started, [int(number) for number in (preset / "pids").read_text().split()]


def gone(numbers, folder, seconds=10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(alive(number) for number in numbers) and not list(folder.iterdir()):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_program_and_the_same_command_goes_on(preset, by):
    started, numbers = waiting(preset)
    assert all(alive(number) for number in numbers)
    try:
        os.kill(started.pid, by)
        _, err = started.communicate(timeout=20)
    finally:
        started.kill()
    assert started.returncode == 128 + by, err
    assert "stopped; 0 finished rounds are kept in run" in err
    assert gone(numbers, preset / "temporary", seconds=0.1)
    if by == signal.SIGINT:
        (preset / "wait").unlink()
        for out in ("run", "whole"):
            done = loop(preset, "--out", out)
            assert done.returncode == 0, done.stderr
        assert_same_run(preset / "run" / "seed-0", preset / "whole" / "seed-0")


def test_a_signal_ends_what_generate_runs_and_says_that_nothing_was_written(preset):
    assert loop(preset, "--out", "run").returncode == 0
    words = ("generate", "--run", "run/seed-0", "--round", "0", "--output", "labels.csv", "--run-programs")
    started, numbers = waiting(preset, words)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=20)
    assert started.returncode == 130
    assert err == "stopped; labels.csv was not written\n"
    assert gone(numbers, preset / "temporary", seconds=0.1)
    assert not (preset / "labels.csv").exists()


def test_a_killed_biasloop_leaves_neither_programs_nor_their_folders(preset):
    """Also not what a program has started in a session of its own."""
    started, numbers = waiting(preset)
    assert list((preset / "temporary").iterdir())
    started.kill()
    started.communicate(timeout=20)
    assert gone(numbers, preset / "temporary")


def test_a_killed_supervisor_takes_the_program_with_it_and_is_named(preset):
    started, numbers = waiting(preset)
    (folder,) = (preset / "temporary").iterdir()
    supervisors = [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdecimal() and f"supervisor.py {folder}" in _command_line(process)
    ]
    os.kill(supervisors[0], signal.SIGKILL)
    _, err = started.communicate(timeout=20)
    for number in numbers[1:]:
        os.kill(number, signal.SIGKILL)
    assert started.returncode == 1
    assert "the process that watches over it was killed" in err
    assert gone(numbers, preset / "temporary")


def _command_line(process) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def test_labels_of_a_stored_model_and_its_metrics_again(preset):
    done = loop(preset, "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    extra = {"BIASLOOP_DATA": str(preset)}
    arguments = ("generate", "--run", "run/seed-0", "--output", "labels.csv")
    refused = toy.biasloop(*arguments, cwd=preset, extra=extra)
    assert refused.returncode == 2
    assert not (preset / "labels.csv").exists()
    train, predict, _, command = refused.stderr.splitlines()[-4:]
    assert [json.loads(train)[0], json.loads(predict)[-1]] == ["sh", "{output}"]
    assert command.split()[1:] == [*arguments, "--run-programs"]
    made = toy.biasloop(*arguments, "--run-programs", cwd=preset, extra=extra)
    assert made.returncode == 0, made.stderr
    rows = list(csv.DictReader((preset / "labels.csv").open()))
    assert {row["prediction"] for row in rows} <= {"a", "b"}
    assert all(row["id"].startswith("n") for row in rows)  # as the table has them
    assert {row["id"] for row in rows if not row["target"]} <= {"n36", "n37", "n38", "n39"}
    again = toy.biasloop("evaluate", "run", "run/seed-0", "--json", cwd=preset, extra=extra)
    found = json.loads(again.stdout)["rounds"][2]["metrics"]
    assert {name: found[name] for name in rounds[2]["metrics"]} == rounds[2]["metrics"]
    assert {"mce", "calibration_gap"} <= set(found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('domain.train=["sh","{train}","{modle}"]', "{modle} stands for nothing here"),
        ('domain.train=["no-such-thing","{train}","{model}"]', "no program 'no-such-thing'"),
        ("domain.target=klass", "has no column 'klass'"),
        ("loop.start=100", "the pool has 30 human-labelled samples"),
    ],
)
def test_refusals_come_before_anything_runs(preset, change, words):
    done = loop(preset, "--out", "run", "--set", change)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert not (preset / "run").exists()


def test_what_only_looks_at_a_run_runs_none_of_its_programs(tmp_path, cli, monkeypatch):
    table(tmp_path)
    engine.run(prepared(tmp_path, group="sex", follow="b"), tmp_path / "runs" / "seed-0", OPTIONS)
    started = []
    monkeypatch.setattr("biasloop_command.supervised.Supervised.__enter__", started.append)
    run = str(tmp_path / "runs" / "seed-0")
    for words in (
        ["evaluate", "run", run], ["evaluate", "shares", run, "--predicted", "prediction"], ["runs", "show", run],
        ["runs", "verify", run], ["runs", "repair", run],
        ["plot", run, "--metric", "accuracy", "--out", str(tmp_path / "x.png")],
        ["export", run, "--output", str(tmp_path / "tables")],
    ):  # fmt: skip
        assert cli(*words).exit_code == 0, words
    refused = cli("generate", "--run", run, "--output", str(tmp_path / "labels.csv"))
    assert refused.exception.exit_code == 2
    assert "names programs, which would run on this machine" in str(refused.exception)
    assert not started
