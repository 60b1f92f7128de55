"""Evaluations of a round's model after every so many epochs."""

from pathlib import Path

import numpy as np
import pytest
from biasloop_toy import ToyDomain
from support.loops import OPTIONS, assert_same_run, toy_experiment, toy_prepared

from biasloop.contract.context import Context
from biasloop.contract.names import MAIN
from biasloop.contract.randomness import Streams
from biasloop.errors import Mismatch
from biasloop.feedback.accumulate import Accumulate
from biasloop.running import engine
from biasloop.running.engine import Options, Prepared
from biasloop.store.reader import Run

EXPERIMENT = toy_experiment(loop={"rounds": 3, "snapshots": 2}, epochs=5)


def run(experiment, directory, options=OPTIONS):
    return engine.run(toy_prepared(experiment), directory, options)


def test_every_round_has_its_epochs(tmp_path):
    run(EXPERIMENT, tmp_path / "run")
    for number in range(3):
        record = Run.open(tmp_path / "run").read(f"round-{number:04}")
        assert set(record.evaluations) == {MAIN, "epoch-0002", "epoch-0004"}
        values = [
            record.evaluations[name].metrics["share_predicted"].value for name in ("epoch-0002", "epoch-0004", MAIN)
        ]
        train = record.evaluations[MAIN].metrics["share_train"].value
        assert values == pytest.approx([train + 0.05 * epoch / 5 for epoch in (2, 4, 5)])
        table = record.evaluations["epoch-0002"].tables["test"]
        assert table.columns["prediction"].role == "prediction"
        assert np.allclose(table["prediction"], values[0])
        assert not any(name.startswith("fit.epoch") for name in record.frames)


def test_looking_changes_nothing_that_is_looked_at(tmp_path):
    run(EXPERIMENT, tmp_path / "looked")
    run(toy_experiment(loop={"rounds": 3}, epochs=5), tmp_path / "plain")
    for number in range(3):
        looked, plain = (
            Run.open(tmp_path / name).read(f"round-{number:04}", models=True) for name in ("looked", "plain")
        )
        assert repr(looked.evaluations[MAIN].metrics) == repr(plain.evaluations[MAIN].metrics)  # NaN equals NaN
        assert looked.frames.keys() == plain.frames.keys()


def test_stopping_at_every_moment_changes_no_snapshot(tmp_path):
    run(EXPERIMENT, tmp_path / "reference")
    at, reason = 0, ""
    while not reason:
        at += 1
        asked = iter(range(10_000))
        directory = tmp_path / f"stopped-{at}"
        stopping = Options(Path("unused"), stopping=lambda at=at, asked=asked: next(asked) >= at, interval=1e9)
        reason = run(EXPERIMENT, directory, stopping).reason
        run(EXPERIMENT, directory)
        assert_same_run(directory, tmp_path / "reference")
    assert at > 15


def test_a_domain_that_never_says_when_an_epoch_ends_is_refused(tmp_path):
    class Silent(ToyDomain):
        def fit(self, train, work):
            class Mute(type(work)):
                def tick(self, done, total, state=None, epoch=None):
                    super().tick(done, total, state)

            work.__class__ = Mute
            return super().fit(train, work)

    prepared = toy_prepared(EXPERIMENT)
    domain = Silent(ToyDomain.Config.model_validate(EXPERIMENT.domain.settings), Context(tmp_path, Streams((0,))))
    rule = Accumulate(EXPERIMENT.loop, domain, "toy", Streams((0,)))
    with pytest.raises(Mismatch, match=r"loop\.snapshots"):
        engine.run(Prepared(EXPERIMENT, prepared.seed, domain, rule), tmp_path / "run", OPTIONS)
