"""`biasloop loop --jobs`: several runs at once, what fails among them, and ends that a person or the system decides."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import toy

from biasloop.errors import Diverged
from biasloop.running import engine
from biasloop.store import claims

LONG = ("--set", "domain.epochs=60000", "--threads", "1", "--seeds", "0-3", "--out", "out")


# --- in this process


def failing(monkeypatch, seed: int) -> None:
    """Runs of this seed fail."""
    run = engine.run

    def broken(prepared, directory, options):
        if prepared.seed == seed:
            raise Diverged("loss is not a number")
        return run(prepared, directory, options)

    monkeypatch.setattr(engine, "run", broken)


def test_a_failed_run_is_listed_with_its_reason_and_what_tries_it_again(cli, monkeypatch):
    failing(monkeypatch, 1)
    typed = ["loop", "-p", "toy", "--seeds", "0-2", "--grid", "loop.human=5,25"]
    monkeypatch.setattr("sys.argv", ["biasloop", *typed])
    result = cli(*typed)
    assert result.exit_code == 1
    assert "4 of 6 runs done, 2 failed" in result.stderr
    assert "2 runs failed:" in result.stderr
    assert (
        "  runs/toy/loop.human=25/seed-1: loss is not a number\n"
        "    biasloop loop -p toy --grid loop.human=25 --output runs/toy --seeds 1\n"
    ) in result.stderr
    assert "mean ± standard deviation over seeds" in result.stdout
    monkeypatch.undo()


def test_the_command_that_tries_again_makes_that_run_in_its_place(cli, monkeypatch):
    cli("loop", "-p", "toy", "--grid", "loop.human=25", "--out", "runs/toy", "--seeds", "1")
    assert Path("runs/toy/loop.human=25/seed-1/round-0003.h5").exists()


def test_scripts_are_told_which_runs_failed(cli, monkeypatch):
    failing(monkeypatch, 1)
    result = cli("loop", "-p", "toy", "--seeds", "0-1", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "done": False, "runs": ["runs/toy/seed-0"],
        "failed": [{"run": "runs/toy/seed-1", "reason": "loss is not a number"}],
    }  # fmt: skip


def test_the_only_run_that_fails_is_told_as_an_error_of_the_command(cli, monkeypatch):
    failing(monkeypatch, 0)
    result = cli("loop", "-p", "toy")
    assert isinstance(result.exception, Diverged)
    assert "failed" not in result.stderr


def test_a_run_that_another_process_makes_is_left_to_it_with_no_wait(cli):
    directory = Path("runs/toy/seed-0")
    directory.mkdir(parents=True)
    with claims.claimed(directory):
        result = cli("loop", "-p", "toy", "--seeds", "0-1", "--no-wait")
    assert result.exit_code == 5, result.stderr
    assert result.stderr.count("runs/toy/seed-0") >= 1
    assert "the same command makes what others leave of these" in result.stderr
    assert not list(directory.glob("*.h5"))
    assert list(Path("runs/toy/seed-1").glob("round-*.h5"))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--engine", "rai"], "--engine rai: expected local or ray"),
        (["--address", "10.0.0.1:6379"], "--address is that of a Ray cluster; add --engine ray"),
        (["--jobs", "2", "--device", "cuda:1"], "use --device cuda, and CUDA_VISIBLE_DEVICES=1"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(cli, typed, words):
    result = cli("loop", "-p", "toy", *typed)
    assert words in str(result.exception)
    assert not Path("runs").exists()


def test_ray_that_is_not_installed_is_named_with_what_to_type(cli, monkeypatch):
    monkeypatch.setattr("biasloop.running.ray_cluster.find_spec", lambda name: None)
    assert "pip install 'biasloop[ray]'" in str(cli("loop", "-p", "toy", "--engine", "ray").exception)


def test_several_jobs_and_a_launcher_are_refused(cli, monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert "a launcher started several processes" in str(cli("loop", "-p", "toy", "--jobs", "2").exception)


# --- real processes


def started(workplace: Path, toy_metadata: Path, *more: str) -> "tuple[subprocess.Popen[str], list[int]]":
    """The command with two runs under way, and the processes that make them."""
    process = subprocess.Popen(
        toy.command("loop", "-p", "toy", "--jobs", "2", *LONG, *more), cwd=workplace, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env=toy.environment(
            [toy_metadata, *map(Path, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        ),
    )  # fmt: skip
    until = time.monotonic() + 60
    while len(list(workplace.glob("out/*/setup.h5"))) < 2:
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2
    return process, [int(child) for child in children]


def gone(pid: int, within: float) -> bool:
    """Whether a process ends in so many seconds."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


def verified(workplace: Path, toy_metadata: Path) -> None:
    runs = sorted(path.name for path in workplace.glob("out/seed-*"))
    assert runs == ["seed-0", "seed-1"]  # nothing new was started
    checked = toy.biasloop("runs", "verify", "out", cwd=workplace, paths=[toy_metadata])
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_runs_after_their_step_and_says_how_to_go_on(workplace, toy_metadata, number):
    """Ctrl-C reaches all processes of the terminal, SIGTERM the command alone."""
    process, children = started(workplace, toy_metadata)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number, err
    assert "stopping after the current step" in err
    assert "this goes on from there:\n  biasloop loop -p toy --jobs 2" in err
    assert "Traceback" not in err + out
    assert all(gone(child, 5) for child in children)
    verified(workplace, toy_metadata)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_everything_at_once(workplace, toy_metadata, number):
    process, children = started(workplace, toy_metadata)
    for child in children:
        os.kill(child, signal.SIGSTOP)  # so that none ends after its step meanwhile
    process.send_signal(number)
    time.sleep(0.3)
    process.send_signal(number)
    time.sleep(0.3)
    for child in children:
        os.kill(child, signal.SIGCONT)
    process.communicate(timeout=30)
    assert process.returncode in (-number, 128 + number)
    assert all(gone(child, 5) for child in children)
    verified(workplace, toy_metadata)


def test_processes_whose_command_was_killed_stop_after_their_step(workplace, toy_metadata):
    process, children = started(workplace, toy_metadata)
    process.kill()
    process.communicate(timeout=30)
    assert all(gone(child, 20) for child in children)
    assert all(claims.holder(path) is None for path in workplace.glob("out/seed-*"))
    verified(workplace, toy_metadata)
