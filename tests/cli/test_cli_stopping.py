"""Ends that others decide: a closed terminal, signals where a file is written, a full disk."""

import errno
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import toy

from biasloop.store import files

LONG = ("--set", "domain.epochs=1000", "--set", "loop.rounds=30")
ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


# --- a closed terminal


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("piped", [False, True])
def test_a_closed_terminal_ends_a_run_after_the_step(workplace, toy_metadata, piped, twice):
    """Shell and system may each send the signal, and nothing can be printed any more."""
    terminal, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *toy.command("loop", "-p", "toy", *LONG, "--out", "out")],
        cwd=workplace, stdin=slave, stdout=subprocess.PIPE if piped else slave, stderr=slave, start_new_session=True,
        env=toy.environment([toy_metadata], {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}),
    )  # fmt: skip
    os.close(slave)
    run, until = workplace / "out" / "seed-0", time.monotonic() + 60
    while not list(run.glob("round-*.h5")):
        assert time.monotonic() < until
        assert process.poll() is None
        if not piped:
            os.read(terminal, 65536)
        time.sleep(0.01)
    os.close(terminal)
    if twice:
        time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 129
    assert b"Traceback" not in (out or b"")
    checked = toy.biasloop("runs", "verify", "out", cwd=workplace, paths=[toy_metadata])
    assert checked.returncode == 0, checked.stderr
    assert 1 <= len(list(run.glob("round-*.h5"))) < 30
    assert not list(run.glob(".tmp-*"))


def test_a_program_behind_a_pipe_that_ends_with_the_terminal_is_no_error(workplace, toy_metadata):
    """`biasloop loop ... | tee log`: the step is finished all the same."""
    terminal, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *toy.command("loop", "-p", "toy", *LONG, "--out", "out")],
        cwd=workplace, stdin=slave, stdout=subprocess.PIPE, stderr=slave, start_new_session=True,
        env=toy.environment([toy_metadata]),
    )  # fmt: skip
    os.close(slave)
    until = time.monotonic() + 60
    while not list((workplace / "out").glob("*/round-*.h5")):
        assert time.monotonic() < until
        time.sleep(0.01)
    os.close(terminal)
    process.stdout.close()
    assert process.wait(60) == 129
    checked = toy.biasloop("runs", "verify", "out", cwd=workplace, paths=[toy_metadata])
    assert checked.returncode == 0, checked.stderr


def test_a_run_that_was_started_with_nohup_goes_on(workplace, toy_metadata):
    process = subprocess.Popen(
        ["nohup", *toy.command("loop", "-p", "toy", "--json", *LONG)], cwd=workplace, text=True,
        env=toy.environment([toy_metadata]), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert '"round": 0' in process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    assert '"round": 1' in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.count("stopping after the current step") == 1


# --- a file that is being written


@pytest.fixture
def run(cli):
    """A finished run, and a file of labels that is there already."""
    cli("loop", "-p", "toy", "--out", "out")
    return "out/seed-0"


COMMANDS = {
    "labels.csv": ("generate", "--output", "labels.csv", "--force", "--run"),
    "drawn.png": ("plot", "--metric", "share_predicted", "--output", "drawn.png", "--force"),
    "tables/metrics.csv": ("export", "--output", "tables", "--force"),
}


def interrupted(monkeypatch, number):
    """A signal comes when a file's content is half written."""
    from matplotlib.figure import Figure

    def half(handle, data):
        os.write(handle, data[: len(data) // 2])
        os.kill(os.getpid(), number)
        time.sleep(1)

    def half_drawn(self, file, **kwargs):
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), number)
        time.sleep(1)

    monkeypatch.setattr(files, "write_all", half)
    monkeypatch.setattr(Figure, "savefig", half_drawn)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_while_a_file_is_written_leaves_none_and_says_so(cli, run, monkeypatch, name, number):
    interrupted(monkeypatch, number)
    stopped = cli(*COMMANDS[name], run)
    assert stopped.exit_code == 128 + number
    assert not [path for path in Path().rglob("*") if path.is_file() and path.parts[0] in (name, "tables")]
    assert not [path for path in Path().rglob("*") if "tmp" in path.name]
    said = f"{name} was not written" if "/" not in name else "every file that is in tables is whole"
    assert f"stopped; {said}" in stopped.stderr
    assert signal.getsignal(number) != signal.SIG_IGN


@pytest.mark.parametrize("name", [name for name in COMMANDS if "/" not in name])
def test_a_file_that_was_there_before_is_as_it_was(cli, run, monkeypatch, name):
    Path(name).write_text("before")
    interrupted(monkeypatch, signal.SIGTERM)
    stopped = cli(*COMMANDS[name], run)
    assert stopped.exit_code == 143
    assert Path(name).read_text() == "before"
    assert f"stopped; {name} is as it was before" in stopped.stderr


def test_a_signal_after_the_file_is_whole_says_that(cli, run, monkeypatch):
    written = files.flush_directory

    def late(path):
        written(path)
        if path == Path():
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(files, "flush_directory", late)
    stopped = cli(*COMMANDS["labels.csv"], run)
    assert stopped.exit_code == 130
    assert "stopped; labels.csv is written, and whole" in stopped.stderr
    assert len(Path("labels.csv").read_text().splitlines()) == 101


def test_any_command_that_is_asked_to_end_says_so(workplace, toy_metadata):
    code = (
        "import sys; sys.argv = ['biasloop', 'doctor']; from biasloop.cli import main, doctor; import time\n"
        "doctor._torch = lambda: (print('here', flush=True), time.sleep(60))\nmain.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=workplace, env=toy.environment([toy_metadata]), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert re.fullmatch(r"stopped; every file that is there is whole, .*\n", err)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_a_sentence_and_leaves_nothing(cli, run, monkeypatch, name):
    from matplotlib.figure import Figure

    def full(handle, *args, **kwargs):
        os.write(handle, b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full_drawn(self, file, **kwargs):
        file.write(b"half")
        file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_all", full)
    monkeypatch.setattr(Figure, "savefig", full_drawn)
    ended = cli(*COMMANDS[name], run)
    assert "No space left on device" in str(ended.exception)
    assert name in str(ended.exception)
    assert ended.exception.exit_code == 1
    assert not Path(name).exists()
    assert not [path for path in Path().rglob("*") if "tmp" in path.name]


def test_a_table_of_an_evaluation_is_whole_or_not_there(cli, monkeypatch):
    Path("p.csv").write_text("y,p\na,a\nb,b\nb,a\n")
    command = ("evaluate", "shares", "p.csv", "--predicted", "p", "--task", "y", "--csv")
    monkeypatch.setattr(files.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    ended = cli(*command, "t.csv")
    assert ended.exception.exit_code == 1
    assert "t.csv could not be written (full" in str(ended.exception)
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == ["p.csv"]
    assert cli(*command, "/dev/null").exit_code == 0
