"""A run stored by format version 1 or 2 must be read by every later biasloop."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from make_golden import EXPERIMENT, weighed
from support.loops import OPTIONS, records, toy_prepared
from support.weighing import Weighing

from biasloop.errors import NewerFormat
from biasloop.feedback import rules
from biasloop.records.ledger import HUMAN
from biasloop.running import engine
from biasloop.store import codec
from biasloop.store.reader import Run
from biasloop.store.repair import repair, verify

GOLDEN = Path(__file__).parent / "golden" / "v1"
NEWER = GOLDEN.parent / "v2"
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


def test_the_golden_run_of_format_2_reads_and_can_be_extended(tmp_path, monkeypatch):
    monkeypatch.setitem(rules.RULES, "weighing", Weighing)
    assert verify(NEWER) == []
    setup, first, second, last = records(Run.open(NEWER))
    assert setup.added.plain
    assert first.added is None
    assert second.added.weight.tolist() == last.added.weight.tolist() == [0.25] * 5
    assert last.added.propensity == pytest.approx(np.full(5, 5 / 35))
    assert last.added.inputs["shard"].tolist() == [-1, 2, 2, 2, 2]
    assert last.added.inputs["member"].tolist() == [-1, 0, 1, 2, 3]
    place, prepared = Path(shutil.copytree(NEWER, tmp_path / "run")), weighed()
    longer = prepared.rule.settings.model_copy(update={"rounds": 5})
    prepared.rule.settings = longer
    prepared.experiment = prepared.experiment.model_copy(update={"loop": longer})
    assert engine.run(prepared, place, OPTIONS).rounds == 5
    assert verify(place) == []


def test_an_older_biasloop_says_of_format_2_that_it_is_newer_and_moves_nothing(tmp_path, monkeypatch):
    place = Path(shutil.copytree(NEWER, tmp_path / "run"))
    monkeypatch.setattr(codec, "VERSION", 1)
    for problem in verify(place):
        assert "has store format 2, this biasloop reads up to 1; install a newer biasloop" in problem
    with pytest.raises(NewerFormat, match="store format 2"):
        Run.open(place).read("round-0001")
    with pytest.raises(NewerFormat, match="store format 2"):
        repair(place)
    assert not (place / "aside").exists()
    Run.open(place).read("round-0000")
