"""Who holds a run, what to do if that one is dead, and file systems that have no locks."""

import errno
import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import time

import pytest

from biasloop.errors import BiasloopError, StoreError
from biasloop.store.lock import locked
from biasloop.system.locking import NoLocks, Taken, alone, exclusive

HOLD = (
    "import sys; from pathlib import Path; from biasloop.store.lock import locked\n"
    "with locked(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A run that a process on another host holds, as a shared file system shows it."""
    with locked(tmp_path):
        holder = {"pid": 4711, "host": "node7", "since": "2026-01-02 03:04:05"}
        (tmp_path / ".holder.json").write_text(json.dumps(holder))
        yield tmp_path


def silent_for(directory, seconds):
    then = time.time() - seconds
    for path in [directory / ".holder.json", *directory.glob("*.h5"), *directory.glob("partial/*")]:
        os.utime(path, (then, then))


@pytest.mark.parametrize(("seconds", "said"), [(5, r"\d s"), (300, "5 min"), (3 * 3600 + 130, "3 h 2 min")])
def test_a_holder_on_another_host_is_named_with_its_silence_and_what_may_be_deleted(elsewhere, seconds, said):
    silent_for(elsewhere, seconds)
    with pytest.raises(StoreError) as caught, locked(elsewhere):
        pass
    text = str(caught.value)
    assert re.search(
        f"is being written by process 4711 on node7 since 2026-01-02 03:04:05, which has written nothing for {said}; "
        "wait for it, or use another --out; if node7 is down or the process is dead, delete ",
        text,
    )
    assert f"delete {elsewhere / '.lock'} and {elsewhere / '.holder.json'}, and nothing else" in text


@pytest.mark.parametrize("name", ["round-0000.h5", "partial/fit.h5", "manifest.json"])
def test_a_round_or_checkpoint_is_a_sign_of_life(elsewhere, name):
    (elsewhere / "partial").mkdir()
    silent_for(elsewhere, 4000)
    (elsewhere / name).write_bytes(b"")
    with pytest.raises(StoreError, match=r"has written nothing for \d s"), locked(elsewhere):
        pass


def test_what_the_sentence_says_may_be_deleted_frees_the_run(elsewhere):
    (elsewhere / ".lock").unlink()
    (elsewhere / ".holder.json").unlink()
    with locked(elsewhere):
        assert json.loads((elsewhere / ".holder.json").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("text", ["", "[]", '"x"', "{}", "\x00"])
def test_a_holder_that_cannot_be_read_is_another_process(elsewhere, text):
    (elsewhere / ".holder.json").write_text(text)
    with pytest.raises(StoreError, match="is being written by another process; wait for it"), locked(elsewhere):
        pass


def test_a_killed_process_of_this_host_holds_nothing(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as holder:  # fmt: skip
        assert holder.stdout.readline() == "held\n"
        said = rf"by process {holder.pid} on {socket.gethostname()} since [-0-9: ]+; wait"
        with pytest.raises(StoreError, match=said), locked(tmp_path):
            pass
        holder.kill()
    with locked(tmp_path):
        assert json.loads((tmp_path / ".holder.json").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EACCES, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_a_sentence_with_two_ways_on(tmp_path, monkeypatch, number):
    def refuse(handle, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    said = rf"{tmp_path} lies on a file system that gives no locks \({os.strerror(number)}\); choose .* local disk"
    with pytest.raises(NoLocks, match=f"{said}, or set BIASLOOP_NO_LOCK=1 and see to it") as caught, locked(tmp_path):
        pass
    assert isinstance(caught.value, BiasloopError)
    with pytest.raises(NoLocks, match=said), alone(tmp_path / "set.bin", "fetching", print):
        pass
    monkeypatch.setenv("BIASLOOP_NO_LOCK", "1")
    with locked(tmp_path), alone(tmp_path / "set.bin", "fetching", print) as waited:
        assert not waited
    assert not (tmp_path / ".lock").read_bytes()


def test_a_lock_is_taken_once_and_given_back(tmp_path):
    with exclusive(tmp_path / "lock"), pytest.raises(Taken), exclusive(tmp_path / "lock"):
        pass
    with exclusive(tmp_path / "lock"):
        pass
    with pytest.raises(RuntimeError, match="stop"), exclusive(tmp_path / "lock"):
        raise RuntimeError("stop")
    with exclusive(tmp_path / "lock"):
        (tmp_path / "lock").unlink()
        with exclusive(tmp_path / "lock"):
            pass


def test_a_lock_file_that_was_removed_while_it_was_waited_for_locks_nothing(tmp_path, monkeypatch):
    """Who holds it removes it just between opening and locking: then the next one makes another."""
    real, calls = fcntl.flock, []

    def flock(handle, how):
        if not calls:
            (tmp_path / "lock").unlink()
        calls.append(handle)
        return real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with exclusive(tmp_path / "lock"):
        assert len(calls) == 2
        with pytest.raises(Taken), exclusive(tmp_path / "lock"):
            pass


def test_the_content_of_a_lock_file_is_left_alone(tmp_path):
    (tmp_path / "lock").write_text("mine")
    with exclusive(tmp_path / "lock"):
        pass
    assert (tmp_path / "lock").read_text() == "mine"
