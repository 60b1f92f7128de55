"""How the runs of a study ended, as `biasloop loop` tells it, and what to type to try one of them again."""

from dataclasses import replace
from pathlib import Path

import pytest
import typer
from support.studies import planned_toys

from biasloop.cli.stopping import Stopping
from biasloop.cli.study import Engine, make, retry
from biasloop.running.engine import Options, Outcome
from biasloop.running.tasks import Ended

OPTIONS = Options(Path("data"))


def test_who_stops_is_told_what_is_kept_and_which_runs_had_failed(workplace, monkeypatch, capsys):
    stopping = Stopping()

    class Stopped:
        def run(self, planned, options, watcher):
            stopping.signal = 15
            return [Ended(planned[0], None, "no number", code=1), Ended(planned[1], Outcome(Path("x"), "", 3))]

    monkeypatch.setattr(Engine, "executor", lambda *_: (Stopped(), 1))
    monkeypatch.setattr("sys.argv", ["biasloop", "loop", "-p", "toy", "--seeds", "0-2"])
    with pytest.raises(typer.Exit) as left:
        make(planned_toys([0, 1, 2], Path("out"), OPTIONS), Path("out"), OPTIONS, stopping, Engine(), json=False)
    assert left.value.exit_code == 128 + 15
    said = capsys.readouterr().err
    assert "stopped; 3 finished rounds are kept in out" in said
    assert "goes on from there:\n  biasloop loop -p toy --seeds 0-2\n" in said
    assert "1 run failed:\n  out/seed-0: no number\n    biasloop loop -p toy --output out --seeds 0\n" in said


@pytest.mark.parametrize(
    ("typed", "arm", "again"),
    [
        ("-p toy", "", "-p toy --output runs/toy --seeds 1"),
        ("-p toy --seeds=0-2 --out=x --jobs 2", "", "-p toy --out=x --jobs 2 --seeds 1"),
        ("--grid a=1,2 -p toy --grid=b=3,4", "a=1,b=4", "-p toy --grid a=1 --grid b=4 --output runs/toy --seeds 1"),
        ("-p toy --grid a=x*,y* --out x", "a=x~4711", "-p toy --grid 'a=x*,y*' --out x --seeds 1"),
    ],
)
def test_what_is_typed_to_try_a_run_again_makes_that_one_alone_as_far_as_it_can_be_typed(
    workplace, monkeypatch, typed, arm, again
):
    monkeypatch.setattr("sys.argv", ["biasloop", "loop", *typed.split()])
    (planned,) = planned_toys([1], Path("runs/toy"), OPTIONS)
    assert retry(replace(planned, arm=arm), Path("runs/toy")) == f"biasloop loop {again}"


UNMEASURED = ("--set", "bound.metric=given.share", "--set", "bound.baseline=given_truth.share")


def test_what_to_type_next_works_with_what_was_measured(cli):
    def suggested(*options):
        done = cli("loop", "-p", "toy", *options)
        assert done.exit_code == 0, done.exception
        return [line.split() for line in done.stdout.splitlines() if line.startswith("  biasloop ")][:-1]

    every = suggested()
    assert [words[1] for words in every] == ["runs", "plot", "bound"]
    assert [cli(*words[1:]).exit_code for words in every] == [0, 0, 0]
    assert [words[1] for words in suggested(*UNMEASURED, "--out", "else")] == ["runs"]
    drawn = suggested(*UNMEASURED, "--set", 'plot.series=["share_train"]', "--out", "drawn")
    assert [words[1] for words in drawn] == ["runs", "plot"]
    assert cli(*drawn[1][1:]).exit_code == 0
