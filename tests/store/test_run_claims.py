"""The claim on a run: who writes it, and what a process that has lost it may still do, which is nothing."""

import os
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from support.loops import OPTIONS, assert_same_run, toy_experiment, toy_prepared

from biasloop.errors import Lost, StoreError
from biasloop.records.record import Model
from biasloop.running import engine
from biasloop.store import codec
from biasloop.store.aside import rescue, set_aside
from biasloop.store.claims import claimed, holder
from biasloop.store.repair import repair
from biasloop.store.writer import RunWriter

EXPERIMENT = toy_experiment(loop={"rounds": 5})


def content(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and ".claim-" not in str(path.relative_to(directory))
    }


def robbed(directory):
    """Another process takes the claim over, as one may whose holder gave no sign of life."""
    path = max(directory.glob(".claim-*/holder.json"))
    os.utime(path, (1, 1))
    return claimed(directory)


@pytest.fixture
def run(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    return directory


def test_a_run_is_held_while_it_is_made_and_free_afterwards(run):
    seen = []
    engine.run(toy_prepared(EXPERIMENT), run, engine.Options(run, on_event=lambda event: seen.append(holder(run))))
    assert {held.pid for held in seen} == {os.getpid()}
    assert holder(run) is None
    assert holder(run / "nothing") is None


@pytest.mark.parametrize(
    "act",
    [
        lambda writer, record: writer.commit("round-0005", record, 0.1),
        lambda writer, record: writer.put_partial("fit", {}, record),
        lambda writer, record: writer.clear_partial(),
        lambda writer, record: writer.manifest.write(writer.directory, writer.claim),
        lambda writer, record: set_aside(writer.directory, [writer.directory / "setup.h5"], writer.claim),
    ],
)
def test_who_has_lost_a_run_changes_nothing_of_it(run, act):
    engine.run(toy_prepared(EXPERIMENT), run, OPTIONS)
    with claimed(run) as claim:
        writer = RunWriter.create_or_resume(
            run, EXPERIMENT.identity(0), engine.about(EXPERIMENT), {}, claim, defaults={}
        )
        record = writer.read("round-0004")
        writer.put_partial("other", {}, record)
        before = content(run)
        with robbed(run) as theirs:
            with pytest.raises(Lost, match=f"was taken over by process {os.getpid()} on"):
                act(writer, record)
            assert content(run) == before
            theirs.check()


def test_who_has_lost_a_run_does_not_begin_it(run):
    with claimed(run) as claim, robbed(run):
        with pytest.raises(Lost):
            RunWriter.create_or_resume(run, EXPERIMENT.identity(0), engine.about(EXPERIMENT), {}, claim)
        assert content(run) == {}


@pytest.mark.parametrize("written", [[], ["model-0005.h5"]])
def test_a_claim_that_is_lost_in_the_middle_of_a_commit_ends_it_there(run, monkeypatch, written):
    engine.run(toy_prepared(EXPERIMENT), run, OPTIONS)
    with ExitStack() as stack:
        claim = stack.enter_context(claimed(run))
        writer = RunWriter.create_or_resume(
            run, EXPERIMENT.identity(0), engine.about(EXPERIMENT), {}, claim, defaults={}
        )
        record = replace(writer.read("round-0004"), models={"m": Model("kind", {"w": np.ones(2)})})
        before, encode, ahead = content(run), codec.encode, list(written)

        def late(header, record):
            if ahead:
                ahead.pop()
            elif header.name == "round-0005" and claim.directory.exists():
                stack.enter_context(robbed(run))
            return encode(header, record)

        monkeypatch.setattr(codec, "encode", late)
        with pytest.raises(Lost):
            writer.commit("round-0005", record, 0.1)
        assert sorted(content(run).keys() - before.keys()) == written
        assert before.items() <= content(run).items()


def test_a_loop_that_has_lost_its_run_ends_at_the_next_round_and_another_finishes_it(run, tmp_path):
    engine.run(toy_prepared(EXPERIMENT), tmp_path / "reference", OPTIONS)

    def told(event):
        if isinstance(event, engine.Committed) and event.number == 1:
            with robbed(run):
                pass

    with pytest.raises(Lost):
        engine.run(toy_prepared(EXPERIMENT), run, engine.Options(run, on_event=told, interval=1e9))
    outcome = engine.run(toy_prepared(EXPERIMENT), run, OPTIONS)
    assert outcome.rounds == 5
    assert_same_run(run, tmp_path / "reference")


def test_what_was_being_set_aside_when_its_process_died_arrives_there(run):
    (run / "aside" / "001").mkdir(parents=True)
    (run / "aside" / "001" / "old.h5").write_bytes(b"1")
    (run / ".claim-3" / "token" / "aside").mkdir(parents=True)
    (run / ".claim-3" / "token" / "aside" / "round-0003.h5").write_bytes(b"2")
    with claimed(run) as claim:
        assert claim.number == 4
    assert content(run / "aside") == {"001/old.h5": b"1", "002/round-0003.h5": b"2"}
    rescue(run, run / "nothing")


def test_a_run_that_is_being_made_is_not_repaired(run):
    engine.run(toy_prepared(EXPERIMENT), run, OPTIONS)
    with claimed(run), pytest.raises(StoreError, match="is being written by process"):
        repair(run)


def test_a_directory_that_cannot_be_written_is_a_sentence(tmp_path):
    with pytest.raises(StoreError, match="nothing cannot be written"), claimed(tmp_path / "nothing"):
        pass


def test_the_number_of_a_runs_claim_grows_also_when_it_was_given_back(run):
    for number in (1, 2, 3):
        engine.run(toy_prepared(toy_experiment(loop={"rounds": number})), run, OPTIONS)
        assert [path.name for path in run.glob(".claim-*")] == [f".claim-{number}"]


def test_a_run_that_was_taken_from_a_silent_process_says_so(run):
    said = []
    (run / ".claim-1").mkdir()
    (run / ".claim-1" / "holder.json").write_text('{"host": "node7", "pid": 4711, "since": "noon", "machine": "other"}')
    os.utime(run / ".claim-1" / "holder.json", (1, 1))
    engine.run(toy_prepared(EXPERIMENT), run, engine.Options(run, on_event=said.append, interval=1e9))
    (notice,) = [event.text for event in said if isinstance(event, engine.Notice)]
    assert notice == f"{run} was held by process 4711 on node7 since noon, which is silent for too long: taken over"
