"""The program as a process: exit codes, signals, pipes, a terminal, and never a traceback unless asked for."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import toy

ALL = [
    "", "fetch", "generate", "loop", "evaluate", "evaluate shares", "evaluate memorization", "evaluate run",
    "evaluate amplification", "evaluate calibration", "evaluate fairness", "evaluate phase", "evaluate coco",
    "evaluate self-similarity", "evaluate person-preference", "evaluate geode", "compare", "bound", "plot", "page",
    "report", "presets", "presets list", "presets show", "presets copy", "export", "runs", "runs list", "runs show",
    "runs diff", "runs compare", "runs verify", "runs repair", "plugins", "plugins list",
    "plugins show", "doctor",
]  # fmt: skip


@pytest.fixture
def program(workplace, toy_metadata):
    """Run the program for real in the working place."""

    def run(*arguments: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        return toy.biasloop(*arguments, cwd=workplace, paths=[toy_metadata], extra=extra)

    return run


@pytest.fixture
def in_process(workplace, monkeypatch, capfd):
    """`main()` as the script calls it, without the time a process takes: (exit code, stdout, stderr)."""
    from biasloop.cli.main import main

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["biasloop", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        monkeypatch.delenv("BIASLOOP_DEBUG", raising=False)
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


# --- help


def helps(cli, monkeypatch, columns: int) -> dict[str, str]:
    """The help of every command at a width."""
    monkeypatch.setenv("COLUMNS", str(columns))
    results = {command: cli(*command.split(), "--help") for command in ALL}
    assert {result.exit_code for result in results.values()} == {0}
    return {command: result.stdout for command, result in results.items()}


def test_every_help_has_examples_that_can_be_copied_whatever_the_width(cli, monkeypatch):
    for command, text in helps(cli, monkeypatch, 40).items():
        examples = re.findall(r"^ Example: (biasloop .*)$", text, re.MULTILINE)
        assert any(example.startswith(f"biasloop {command or 'loop'}") for example in examples), command


def test_every_example_is_printed_whole_and_has_the_options_it_names(cli, monkeypatch):
    sources = "\n".join(path.read_text() for path in (toy.PROJECT / "biasloop" / "cli").glob("*.py"))
    examples = sorted(set(re.findall(r"Example: (biasloop [^\n\"\\]*)", sources)))
    assert len(examples) >= len(ALL) - 2
    printed = helps(cli, monkeypatch, 200)
    for example in examples:
        assert any(f"Example: {example}\n" in text for text in printed.values())
        words = shlex.split(example)[1:]
        command = " ".join(words[:2]) if " ".join(words[:2]) in ALL else words[0]
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", printed[command]), (example, option)


# --- exit codes


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--version",), 0, ""),
        (("bound", "--n0", "9", "--human", "1", "--model", "4"), 0, ""),
        (("nonsense",), 2, "nonsense"),
        (("loop",), 2, "--preset"),
        (("bound", "--n0", "x"), 2, "--n0"),
        (("loop", "-p", "tay"), 2, "did you mean 'toy'"),
        (("loop", "-p", "toy", "--set", "loop.humn=1", "--set", "domain.dleta=1"), 2, "'delta'"),
        (("presets", "show", "toy", "--set", "loop.start=0"), 2, "loop.start = 0"),
        (("loop", "-p", "tiny", "--set", "domain.data=cifar10", "--set", "domain.imbalance.class=dog"), 3,
         "needs cifar10 (170.1 MB); type:\n  biasloop fetch cifar10"),
        (("generate", "--run", "nowhere", "-o", "x.csv"), 2, "nowhere"),
        (("runs", "verify", "nowhere"), 2, "nowhere"),
        (("loop", "-p", "toy", "--out", "presets/toy.toml"), 1, "presets/toy.toml"),
        (("loop", "-p", "toy", "--out", "/proc/nothing"), 1, "/proc/nothing"),
    ],
)  # fmt: skip
def test_exit_codes_are_those_that_help_promises(in_process, arguments, code, words):
    found, _, err = in_process(*arguments)
    assert found == code
    assert words in err
    assert "Traceback" not in err
    assert "defect" not in err


def test_another_experiment_in_the_same_place_fails_with_1(in_process):
    assert in_process("loop", "-p", "toy", "--out", "out")[0] == 0
    code, _, err = in_process("loop", "-p", "toy", "--out", "out", "--set", "loop.human=6")
    assert code == 1
    assert "loop.human is 5 there and 6 here" in err
    assert len(err.strip().splitlines()) == 1


def test_a_defect_is_told_in_a_sentence_and_with_debug_in_full(in_process, monkeypatch):
    from biasloop_toy import ToyDomain

    def broken(self, train, work):
        raise ZeroDivisionError("by a gnome")

    monkeypatch.setattr(ToyDomain, "fit", broken)
    code, _, err = in_process("loop", "-p", "toy")
    assert code == 1
    assert "ZeroDivisionError: by a gnome" in err
    assert "biasloop --debug" in err
    assert "Traceback" not in err
    code, _, err = in_process("--debug", "loop", "-p", "toy", "--out", "again")
    assert code == 1
    assert "Traceback" in err
    assert "in broken" in err


def test_debug_keeps_the_exit_code(in_process):
    code, _, err = in_process("--debug", "loop", "-p", "tay")
    assert code == 2
    assert "Traceback" in err
    assert "did you mean 'toy'" in err


# --- pipes and terminals


def test_a_real_process_with_a_narrow_pipe_wraps_no_command(program):
    ran = program("loop", "-p", "toy", "--seeds", "0", "--set", "domain.delta=0.04", COLUMNS="40")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert "  biasloop bound --from runs/toy+domain.delta=0.04/seed-0" in lines
    assert "  biasloop loop -p toy --set domain.delta=0.04 --seeds 0-2" in lines
    assert "\x1b" not in ran.stdout + ran.stderr
    refused = program("loop", "-p", "tiny", "--set", "domain.data=cifar10", "--set", "domain.imbalance.class=dog",
                      COLUMNS="40")  # fmt: skip
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "  biasloop fetch cifar10" in refused.stderr.splitlines()


def test_the_command_for_the_published_seeds_runs_them_in_the_same_place(program):
    first = program("loop", "-p", "toy", "--set", "domain.delta=0.04", "--grid", "loop.human=5,6", "--seeds=0")
    command = shlex.split(first.stdout.splitlines()[-1])
    assert command[0] == "biasloop"
    again = program(*command[1:], "--json")
    assert again.returncode == 0, again.stderr
    runs = json.loads(again.stdout.splitlines()[-1])["runs"]
    assert len(runs) == 6
    assert f"runs are in {Path(runs[0]).parents[1]}" in first.stdout


def test_a_closed_pipe_is_no_error_to_talk_about(workplace, toy_metadata):
    shown = subprocess.Popen(
        toy.command("loop", "-p", "toy", "--set", "domain.epochs=2000", "--json"), cwd=workplace,
        env=toy.environment([toy_metadata]), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    shown.stdout.readline()
    shown.stdout.close()
    err = shown.stderr.read()
    shown.wait(60)
    assert "Traceback" not in err
    assert "defect" not in err


def test_a_terminal_gets_a_live_table_that_ends_whole(workplace, toy_metadata):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        toy.command("loop", "-p", "toy", "--seeds", "0-1"), cwd=workplace, stdout=slave, stderr=slave, close_fds=True,
        env=toy.environment([toy_metadata], {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}),
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    assert process.wait(60) == 0
    os.close(master)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "\x1b[" in shown.decode()
    for seed in (0, 1):
        assert f"toy, seed {seed}" in plain
    last = plain[plain.rindex("toy, seed 1") :]
    rows = [line.split() for line in last.splitlines() if re.match(r"\s+\d+\s+\d+\s+\d+\s+\d+\s", line)]
    assert [row[:4] for row in rows] == [
        ["0", "100", "100", "0"], ["1", "125", "105", "20"], ["2", "150", "110", "40"], ["3", "175", "115", "60"],
    ]  # fmt: skip


def test_standard_output_in_another_encoding_is_survived(program):
    ran = program("loop", "-p", "toy", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr


# --- signals


def started(workplace: Path, toy_metadata: Path, *arguments: str) -> "subprocess.Popen[str]":
    """A loop that has finished its first round."""
    process = subprocess.Popen(
        toy.command("loop", "-p", "toy", "--json", *arguments), cwd=workplace, env=toy.environment([toy_metadata]),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert '"round": 0' in process.stdout.readline()
    return process


LONG = ("--set", "domain.epochs=1000", "--set", "loop.rounds=30")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_after_the_step_and_tells_how_to_go_on(workplace, toy_metadata, number, code):
    process = started(workplace, toy_metadata, *LONG, "--out", "a place")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert '"done"' not in out
    assert "Traceback" not in err
    lines = err.splitlines()
    assert lines[0] == "stopping after the current step (once more stops at once)"
    kept = int(re.search(r"stopped; (\d+) finished rounds are kept in a place", lines[1])[1])
    assert 1 <= kept < 30
    assert shlex.split(lines[2])[1:] == ["loop", "-p", "toy", "--json", *LONG, "--out", "a place"]
    assert len(list((workplace / "a place" / "seed-0").glob("round-*.h5"))) == kept
    again = toy.biasloop(*shlex.split(lines[2])[1:], cwd=workplace, paths=[toy_metadata])
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout.splitlines()[-1])["done"] is True


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)],
)
def test_a_second_signal_ends_at_once(workplace, toy_metadata, tmp_path, number, code):
    sources = tmp_path / "sleeper"
    sources.mkdir()
    (sources / "sleeps.py").write_text(
        "import time\nfrom biasloop_toy import ToyDomain\n\n\n"
        "class Sleeper(ToyDomain):\n"
        "    def fit(self, train, work):\n"
        "        for _ in range(600 if len(train) > 100 else 0):\n            time.sleep(0.1)\n"
        "        return super().fit(train, work)\n"
    )
    toy.declare(sources, "biasloop-sleeper", "sleeper", "sleeps:Sleeper")
    environment = toy.environment([toy_metadata, sources])
    process = subprocess.Popen(
        toy.command("loop", "-p", "toy", "--json", "--set", "domain.name=sleeper"), cwd=workplace, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert '"round": 0' in process.stdout.readline()
    begun = time.monotonic()
    process.send_signal(number)
    assert "once more" in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begun < 20
    assert process.returncode == code
    assert "Traceback" not in err
    checked = toy.biasloop("runs", "verify", "runs", cwd=workplace, paths=[toy_metadata])
    assert checked.returncode == 0, checked.stderr


def test_a_second_process_is_told_who_holds_the_run(workplace, toy_metadata):
    process = started(workplace, toy_metadata, *LONG, "--out", "out")
    second = toy.biasloop("loop", "-p", "toy", *LONG, "--out", "out", "--no-wait", cwd=workplace, paths=[toy_metadata])
    process.kill()
    process.communicate(timeout=30)
    assert second.returncode == 5
    assert f"process {process.pid} on " in second.stderr
