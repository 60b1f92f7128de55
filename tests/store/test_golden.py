"""A run stored by format version 1 must be read by every later biasloop."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from make_golden import EXPERIMENT
from support.loops import OPTIONS, records, toy_prepared

from biasloop.records.ledger import HUMAN
from biasloop.running import engine
from biasloop.store.reader import Run
from biasloop.store.repair import verify

GOLDEN = Path(__file__).parent / "golden" / "v1"
SHARES = [0.6500000000000001, 0.692857142857143, 0.6888888888888889]


def test_the_golden_run_reads():
    run = Run.open(GOLDEN)
    assert verify(GOLDEN) == []
    assert run.rounds == [0, 1, 2]
    assert run.identity["loop"] == {"rule": "accumulate", "start": 20, "human": 2, "model": 6, "keep": "all"}
    setup, *rounds = records(run)
    assert setup.frames["vocabulary.bits"].columns["name"].strings() == ["zero", "one"]
    assert setup.added.origin.tolist() == [HUMAN] * 20
    assert [record.sizes["train"] for record in rounds] == [20, 28, 36]
    assert rounds[1].added.origin.tolist() == [HUMAN] * 2 + [0] * 6
    assert rounds[2].added.since.tolist() == [2] * 8
    assert [record.evaluations["test"].metrics["share_predicted"].value for record in rounds] == pytest.approx(
        SHARES, abs=1e-15
    )
    assert run.read("round-0002", models=True).models["model"].arrays["share"] == pytest.approx(SHARES[2])
    assert rounds[2].frames["fit.curve"]["epoch"].tolist() == [1, 2, 3]


def test_todays_engine_makes_the_same_arrays(tmp_path):
    engine.run(toy_prepared(EXPERIMENT), tmp_path / "run", OPTIONS)
    for ours, golden in zip(records(Run.open(tmp_path / "run")), records(Run.open(GOLDEN)), strict=True):
        assert ours.sizes == golden.sizes
        if golden.added is not None:
            assert np.array_equal(ours.added.ids, golden.added.ids)
            assert np.array_equal(ours.added.payload["target"], golden.added.payload["target"])


def test_the_golden_run_can_be_extended(tmp_path):
    place = Path(shutil.copytree(GOLDEN, tmp_path / "run"))
    longer = EXPERIMENT.model_copy(update={"loop": EXPERIMENT.loop.model_copy(update={"rounds": 5})})
    assert engine.run(toy_prepared(longer), place, OPTIONS).rounds == 5
    assert verify(place) == []
