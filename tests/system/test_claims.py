"""A claim: one holder at a time, numbers that grow, dead holders that write nothing more, and no link followed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import Held, Interrupted, InvalidInput, Lost
from biasloop.store.files import write_atomically
from biasloop.system import claims, holders, processes
from biasloop.system.claims import alone, claimed, holder

HOLD = (
    "import sys; from pathlib import Path; from biasloop.system.claims import claimed\n"
    "with claimed(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()\n"
)
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def other(tmp_path):
    """A process that holds a claim."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**ENVIRONMENT, "BIASLOOP_CLAIM_SECONDS": "1"},
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def elsewhere(directory, silent=0.0, number=1, **fields):
    """A claim of a process on another machine, as a shared file system shows it."""
    claim = directory / f".claim-{number}"
    claim.mkdir()
    said = {"host": "node7", "pid": 4711, "since": "2026-01-02 03:04:05", "seconds": 120.0, "machine": "another"}
    path = claim / "holder.json"
    path.write_text(json.dumps(said | fields))
    then = time.time() - silent
    os.utime(path, (then, then))
    return claim


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_one_holds_it_and_another_is_told_who(tmp_path, other):
    with pytest.raises(Held, match=rf"{tmp_path} is being written by process {other.pid} on .+ since .+ \(last sign"):
        claims._acquire(tmp_path, claims.OF_RUN)
    assert holder(tmp_path).pid == other.pid
    other.communicate()
    assert holder(tmp_path) is None
    with claimed(tmp_path) as claim:
        assert claim.number == 2


def test_a_killed_process_of_this_machine_is_dead_at_once_also_before_its_parent_asks(tmp_path, other):
    other.kill()
    while processes.alive(other.pid, ""):
        time.sleep(0.01)
    assert other.returncode is None
    assert holder(tmp_path) is None
    with claimed(tmp_path) as claim:
        assert (claim.number, claim.silenced) == (2, None)
    assert names(tmp_path) == [".claim-2"]


def test_a_suspended_holder_is_dead_after_its_time_and_writes_nothing_when_it_wakes(tmp_path, other):
    os.kill(other.pid, signal.SIGSTOP)
    with pytest.raises(Held), claimed(tmp_path):
        pass
    time.sleep(1.2)
    with claimed(tmp_path) as claim:
        assert (claim.number, claim.silenced is not None) == (2, True)
        os.kill(other.pid, signal.SIGCONT)
        other.communicate()
        claim.check()
        assert names(tmp_path) == [".claim-2"]


@pytest.mark.parametrize(("silent", "dead"), [(0, False), (100, False), (130, True), (-100, False), (-130, True)])
def test_a_holder_on_another_machine_is_judged_by_its_silence(tmp_path, silent, dead):
    elsewhere(tmp_path, silent)
    assert (holder(tmp_path) is None) == dead
    if dead:
        with claimed(tmp_path) as claim:
            assert (claim.number, claim.silenced is not None) == (2, True)
    else:
        with pytest.raises(Held, match="process 4711 on node7 since 2026-01-02 03:04:05"), claimed(tmp_path):
            pass


def test_the_holders_own_promise_counts(tmp_path):
    elsewhere(tmp_path, 130, seconds=600.0)
    assert holder(tmp_path).silent == pytest.approx(130, abs=2)
    elsewhere(tmp_path, 20, number=2, seconds=10.0)
    assert holder(tmp_path) is None


def test_a_process_of_this_machine_with_the_number_of_a_dead_one_holds_nothing(tmp_path):
    ours = {"pid": os.getpid(), "machine": processes.machine()}
    elsewhere(tmp_path, started=processes.started(os.getpid()), **ours)
    assert holder(tmp_path).pid == os.getpid()
    elsewhere(tmp_path, number=2, started="1", **ours)
    assert holder(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '"x"', "{}", "\x00", '{"pid": 3, "colour": "red"}', "9" * 20_000])
def test_a_holder_that_cannot_be_read_is_judged_by_its_time(tmp_path, text):
    (elsewhere(tmp_path) / "holder.json").write_text(text)
    assert str(holder(tmp_path)) == "another process"
    then = time.time() - 130
    os.utime(tmp_path / ".claim-1" / "holder.json", (then, then))
    assert holder(tmp_path) is None


def test_a_claim_that_cannot_be_read_is_not_taken(tmp_path, monkeypatch):
    elsewhere(tmp_path, 500)
    opened = os.open

    def failing(path, *arguments, **named):
        if path == "holder.json":
            raise OSError(5, "Input/output error")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(OSError, match="Input/output"), claimed(tmp_path):
        pass
    assert names(tmp_path) == [".claim-1"]


def test_numbers_grow_over_holders_unless_they_are_forgotten(tmp_path):
    for number in (1, 2, 3):
        with claimed(tmp_path) as claim:
            assert claim.number == number
    assert names(tmp_path) == [".claim-3"]
    for _ in range(2):
        with claimed(tmp_path, ".x.claim-", remember=False) as claim:
            assert claim.number == 1
    assert names(tmp_path) == [".claim-3"]


def test_a_claim_is_given_back_after_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), claimed(tmp_path):
        raise RuntimeError("stop")
    assert holder(tmp_path) is None


def test_a_holder_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setenv("BIASLOOP_CLAIM_SECONDS", "0.4")
    with claimed(tmp_path):
        for _ in range(8):
            time.sleep(0.1)
            assert holder(tmp_path) is not None


def test_a_file_system_that_is_away_for_a_while_ends_no_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setenv("BIASLOOP_CLAIM_SECONDS", "0.4")
    utime, errors = os.utime, [OSError(5, "Input/output error"), OSError(110, "Connection timed out")]

    def away(*arguments, **named):
        if errors:
            raise errors.pop()
        utime(*arguments, **named)

    monkeypatch.setattr(os, "utime", away)
    with claimed(tmp_path) as claim:
        time.sleep(0.6)
        assert not errors
        assert holder(tmp_path).number == claim.number


@pytest.mark.parametrize("ahead", [-1000, 1000])
def test_the_clock_of_the_file_system_counts_and_not_that_of_this_machine(tmp_path, monkeypatch, ahead):
    elsewhere(tmp_path, 20)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    assert holder(tmp_path).silent == pytest.approx(20, abs=2)
    assert names(tmp_path) == [".claim-1"]


def taken_over(tmp_path, stack):
    """A claim of this process that another has taken over."""
    claim = stack.enter_context(claimed(tmp_path))
    stack.enter_context(claimed_all_the_same(tmp_path))
    return claim


def claimed_all_the_same(directory):
    path = directory / ".claim-1" / "holder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"started": "1"}))
    return claimed(directory)


@pytest.mark.parametrize("flush", [False, True])
def test_who_has_lost_a_claim_writes_and_removes_nothing(tmp_path, flush):
    (tmp_path / "there").write_bytes(b"mine")
    with ExitStack() as stack:
        claim = taken_over(tmp_path, stack)
        before = names(tmp_path)
        said = rf"{tmp_path} was taken over by process {os.getpid()} on .+ no sign of life for 120 s; it has written"
        with pytest.raises(Lost, match=said):
            claim.check()
        with pytest.raises(Lost, match=said):
            write_atomically(tmp_path / "there", b"theirs", flush=flush, claim=claim)
        for name in ("there", "nothing"):
            with pytest.raises(Lost, match=said):
                claim.remove(tmp_path / name)
        assert names(tmp_path) == before
        assert (tmp_path / "there").read_bytes() == b"mine"


def test_what_was_written_and_not_yet_renamed_when_the_claim_was_lost_is_not_renamed(tmp_path, monkeypatch):
    """The last moment: between the check before and the rename."""
    (tmp_path / "there").write_bytes(b"mine")
    replace = os.replace
    with ExitStack() as stack:
        claim = stack.enter_context(claimed(tmp_path))

        def late(source, target):
            monkeypatch.setattr(os, "replace", replace)
            stack.enter_context(claimed_all_the_same(tmp_path))
            return replace(source, target)

        monkeypatch.setattr(os, "replace", late)
        with pytest.raises(Lost):
            write_atomically(tmp_path / "there", b"theirs", claim=claim)
        assert (tmp_path / "there").read_bytes() == b"mine"


def test_what_is_removed_goes_with_all_that_is_in_it(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_text("stays")
    with claimed(tmp_path) as claim:
        for name in ("folder", "link", "nothing"):
            claim.remove(tmp_path / name)
    assert names(tmp_path) == [".claim-1", "file"]


def test_of_many_that_want_it_one_has_it_at_a_time(tmp_path):
    inside, most, rounds = [], [], []

    def work(_):
        for _ in range(5):
            with alone(tmp_path / "set.bin", "making", lambda text: None):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()
                rounds.append(1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert (max(most), len(rounds)) == (1, 40)
    assert names(tmp_path) == []


def test_a_claim_that_is_given_back_while_it_is_about_to_be_fenced_is_no_matter(tmp_path, monkeypatch):
    first = claims._acquire(tmp_path, ".set.bin.claim-")
    (first._path / holders.HOLDER).rename(first._path / "released")  # as in the middle of giving back
    listed = Path.iterdir

    def late(self):
        if self == first._path:
            shutil.rmtree(self)
        return listed(self)

    monkeypatch.setattr(Path, "iterdir", late)
    with alone(tmp_path / "set.bin", "making", lambda text: None) as (claim, waited):
        assert (claim.number, waited) == (2, False)
    first.release(remember=False)
    assert names(tmp_path) == []


def test_of_many_that_find_a_dead_holder_one_takes_over(tmp_path):
    elsewhere(tmp_path, 500)
    barrier = threading.Barrier(8)

    def take(_):
        barrier.wait()
        try:
            return claims._acquire(tmp_path, claims.OF_RUN).number
        except Held:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert sorted(filter(None, pool.map(take, range(8)))) == [2]
    assert names(tmp_path) == [".claim-2"]


def test_giving_a_claim_back_takes_nothing_from_who_has_its_number_now(tmp_path, monkeypatch):
    with ExitStack() as stack:
        first = claims._acquire(tmp_path, ".x.claim-")
        listed = os.listdir

        def late(handle):
            names = listed(handle)
            if names:
                monkeypatch.setattr(os, "listdir", listed)
                for name in names:
                    holders._remove(name, handle)
                second = stack.enter_context(claimed(tmp_path, ".x.claim-", remember=False))
                third = stack.enter_context(claimed(tmp_path, ".y.claim-", remember=False))
                assert (second.number, third.number) == (2, 1)
            return names

        monkeypatch.setattr(os, "listdir", late)
        first.release(remember=False)
        assert holder(tmp_path, ".x.claim-").number == 2
        with pytest.raises(Lost):
            first.check()


def test_who_has_lost_a_claim_hits_nobody_who_has_its_number_now(tmp_path):
    lost = claims._acquire(tmp_path, ".x.claim-")
    holders.remove(tmp_path / ".x.claim-1")
    with claimed(tmp_path, ".x.claim-", remember=False) as claim:
        assert claim.number == 1
        with pytest.raises(Lost):
            lost.check()
        with pytest.raises(Lost):
            write_atomically(tmp_path / "file", b"theirs", claim=lost)
        lost.release(remember=False)
        claim.check()
        write_atomically(tmp_path / "file", b"mine", claim=claim)
    assert names(tmp_path) == ["file"]


def test_who_comes_from_behind_takes_nothing(tmp_path, monkeypatch):
    """It looks, sleeps while others come and go, and makes a claim that seemed to be the next."""
    create = holders.create

    def late(directory, holder):
        monkeypatch.setattr(holders, "create", create)
        elsewhere(tmp_path, number=4)
        return create(directory, holder)

    monkeypatch.setattr(holders, "create", late)
    with pytest.raises(Held, match="node7"), claimed(tmp_path):
        pass
    assert names(tmp_path) == [".claim-4"]


def test_who_comes_from_behind_does_not_rob_one_with_a_lower_number(tmp_path, monkeypatch):
    elsewhere(tmp_path, 500, number=1, token="dead")
    create = holders.create

    def late(directory, holder):
        monkeypatch.setattr(holders, "create", create)
        holders.remove(tmp_path / ".claim-1")
        elsewhere(tmp_path, number=1, token="alive")
        return create(directory, holder)

    monkeypatch.setattr(holders, "create", late)
    with pytest.raises(Held, match="node7"), claimed(tmp_path):
        pass
    assert names(tmp_path) == [".claim-1"]


def test_who_is_taken_for_dead_while_it_takes_a_claim_has_none(tmp_path, monkeypatch):
    """It sleeps after it has made its claim, and before it begins; another one holds it when it wakes."""
    clear = holders.clear

    def late(directory):
        monkeypatch.setattr(holders, "clear", clear)
        holders.remove(tmp_path / ".claim-1")
        elsewhere(tmp_path, number=2)
        clear(directory)

    monkeypatch.setattr(holders, "clear", late)
    with pytest.raises(Held, match="node7"), claimed(tmp_path):
        pass
    assert names(tmp_path) == [".claim-2"]


def test_a_newer_claim_counts_before_the_older_one_is_removed(tmp_path):
    with claimed(tmp_path) as claim:
        elsewhere(tmp_path, number=2)
        with pytest.raises(Lost, match=f"{tmp_path} was taken over by process 4711 on node7"):
            claim.check()


def test_an_answer_that_a_network_lost_is_recognised(tmp_path, monkeypatch):
    rename = Path.rename

    def twice(self, target):
        rename(self, target)
        raise FileNotFoundError(2, "asked again, and the source is gone")

    monkeypatch.setattr(Path, "rename", twice)
    claim = claims._acquire(tmp_path, claims.OF_RUN)
    monkeypatch.undo()
    claim.check()
    assert claim.number == 1
    claim.release(remember=True)


def test_a_claim_that_cannot_be_emptied_is_moved_out_of_the_way(tmp_path, monkeypatch):
    """As where a network file system keeps what another process has open."""
    dead = elsewhere(tmp_path, 500)
    (dead / ".nfs0001").write_text("")
    remove = holders._remove
    monkeypatch.setattr(holders, "_remove", lambda name, at=None: None if ".nfs" in name else remove(name, at))
    with claimed(tmp_path) as claim:
        claim.check()
        assert not dead.exists()
    monkeypatch.undo()
    with claimed(tmp_path):
        assert names(tmp_path) == [".claim-3"]


def test_who_comes_from_behind_removes_no_claim_that_has_come_to_have_its_name(tmp_path, monkeypatch):
    create = holders.create

    def late(directory, holder):
        monkeypatch.setattr(holders, "create", create)
        created = create(directory, holder)
        holders.remove(tmp_path / ".claim-1")
        elsewhere(tmp_path, token="another")
        return created

    monkeypatch.setattr(holders, "create", late)
    with pytest.raises(Held, match="node7"), claimed(tmp_path):
        pass
    assert names(tmp_path) == [".claim-1"]


def test_who_takes_its_claim_back_takes_it_back_also_where_a_part_of_it_was_cleared_away(tmp_path):
    """As who has just begun clears away what it takes for the remains of killed processes."""
    this = holders.Holder.this(1, 120.0)
    assert holders.create(tmp_path / ".claim-1", this)
    (tmp_path / ".claim-1" / this.token).rmdir()
    holders.withdraw(tmp_path / ".claim-1", this)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["_fence", "Thread"])
def test_who_cannot_begin_holds_nothing(tmp_path, monkeypatch, name):
    """As where what a dead process of somebody else left cannot be removed, or no thread can be had."""
    elsewhere(tmp_path, 500)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as refusing:
        refusing.setattr(claims, name, refuse)
        with pytest.raises(PermissionError), claimed(tmp_path):
            pass
    assert ".claim-2" not in names(tmp_path)
    assert holder(tmp_path) is None
    with claimed(tmp_path) as claim:
        claim.check()


def test_what_killed_processes_left_is_removed(tmp_path):
    (tmp_path / ".tmp-claim-1234").mkdir()
    (tmp_path / ".tmp-claim-1234" / "holder.json").write_text("")
    (tmp_path / ".tmp-gone-1").mkdir()
    with claimed(tmp_path):
        assert names(tmp_path) == [".claim-1"]


@pytest.mark.parametrize("number", ["1", "7", "9" * 200])
@pytest.mark.parametrize("kind", ["link", "link to nothing", "file", "folder with a linked holder"])
def test_no_link_is_followed(tmp_path, number, kind):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "holder.json").write_text("{}")
    place, directory = tmp_path / "run" / f".claim-{number}", tmp_path / "run"
    directory.mkdir()
    if kind == "file":
        place.write_text("")
    elif kind.startswith("link"):
        place.symlink_to(mine if kind == "link" else mine / "nothing")
    else:
        place.mkdir()
        (place / "holder.json").symlink_to(mine / "holder.json")
        (place / "more").symlink_to(mine)
    with claimed(directory) as claim:
        assert claim.number == int(number) + 1
        assert names(directory) == [claim.directory.parent.name]
    assert names(mine) == ["holder.json"]


def test_a_name_that_is_too_long_is_an_error_and_no_endless_search(tmp_path):
    (tmp_path / f".claim-{'9' * 248}").mkdir()
    with pytest.raises(OSError, match="too long"), claimed(tmp_path):
        pass


@pytest.mark.parametrize("text", ["0", "-3", "never", "nan", "inf", "90000"])
def test_a_promise_that_is_none_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setenv("BIASLOOP_CLAIM_SECONDS", text)
    with (
        pytest.raises(InvalidInput, match=f"BIASLOOP_CLAIM_SECONDS is '{text}': expected seconds from 0.1"),
        claimed(tmp_path),
    ):
        pass
    assert names(tmp_path) == []


def test_who_waits_says_so_once_and_stops_when_asked(tmp_path):
    said, asked = [], []
    with alone(tmp_path / "set.bin", "fetching", said.append) as (_, waited):
        assert not waited
        with (
            pytest.raises(Interrupted),
            alone(tmp_path / "set.bin", "fetching", said.append, lambda: len(asked) > 2 or asked.append(1)),
        ):
            pass
    (sentence,) = said
    assert sentence.startswith(f"process {os.getpid()} on ")
    assert sentence.endswith(" is fetching set.bin; waiting for it to finish")
    assert names(tmp_path) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["take", "give", "die"]), max_size=12))
def test_at_most_one_can_write_whatever_happens(tmp_path_factory, steps):
    """Holders come, go, are taken for dead and live on all the same; the newest one alone can write."""
    directory = tmp_path_factory.mktemp("claims")
    taken, numbers = [], []
    for step in steps:
        if step == "take":
            try:
                taken.append(claims._acquire(directory, claims.OF_RUN))
                numbers.append(taken[-1].number)
            except Held:
                assert taken
        elif taken and step == "give":
            taken[-1].release(remember=True)
        elif taken and step == "die" and (taken[-1].directory.parent / "holder.json").exists():
            path = taken[-1].directory.parent / "holder.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"started": "1"}))
        able = [claim for claim in taken if writes(claim)]
        assert able in ([], taken[-1:])
    assert numbers == sorted(set(numbers))
    for claim in taken:
        claim.release(remember=True)


def writes(claim):
    try:
        write_atomically(claim.directory.parent.parent / "file", b"", flush=False, claim=claim)
    except Lost:
        return False
    return True
