"""A share of a corpus has inputs that a generator made: which samples, who learns from whom, resumed bit for bit."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.loops import assert_same_run, cut, records, toy_experiment, toy_prepared
from support.mixing_toy import KeyedDomain, MakingDomain, mixing

from biasloop.config.experiment import Experiment
from biasloop.contract.data import Splits
from biasloop.contract.domains import Demands
from biasloop.contract.randomness import Streams
from biasloop.contract.testing import check
from biasloop.errors import DamagedStore, Mismatch
from biasloop.feedback import rules
from biasloop.feedback.mixing_settings import MixingSettings
from biasloop.feedback.work import RoundWork, Session
from biasloop.running import engine
from biasloop.running.engine import Options
from biasloop.store.reader import Run


def options(tmp_path, **changes):
    return replace(Options(tmp_path / "data", interval=1e9), **changes)


def ran(tmp_path, name="run", loop=None, kind=MakingDomain, seed=0, **changes):
    prepared = mixing(loop, seed, tmp_path / "data", kind)
    outcome = engine.run(prepared, tmp_path / name, options(tmp_path, **changes))
    return Run.open(tmp_path / name), prepared.domain, outcome


def chosen(loop, seed=0):
    """Which samples of the pool have an input that is made."""
    prepared = mixing(loop, seed)
    prepared.rule.absorb(prepared.rule.setup(RoundWork(Streams((seed, -1)), Session(), "setup")))
    return prepared.rule.chosen()


@pytest.mark.parametrize("domain", [KeyedDomain, MakingDomain])
def test_the_toys_keep_the_contract(domain):
    assert check(domain, pool=30, test=8)[-1] == "inputs that are made"


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 3))
def test_the_samples_of_a_smaller_share_are_among_those_of_a_larger_one(first, second, seed):
    smaller, larger = sorted((first, second))
    fewer, more = chosen({"share": smaller}, seed), chosen({"share": larger}, seed)
    assert not (fewer & ~more).any()


def test_the_extremes_are_all_and_nothing():
    assert not chosen({"share": 0.0}).any()
    assert chosen({"share": 1.0}).all()
    assert 70 < chosen({"share": 0.5}).sum() < 130  # of 200


def test_a_seed_of_its_own_says_who_is_mixed_whatever_the_run():
    fixed = {"share": 0.5, "mix_seed": 123}
    assert np.array_equal(chosen(fixed, 0), chosen(fixed, 1))
    assert np.array_equal(chosen(fixed, 0), chosen({"share": 0.5}, 123))
    assert not np.array_equal(chosen({"share": 0.5}, 0), chosen({"share": 0.5}, 1))


def test_one_round_is_the_published_study(tmp_path):
    run, domain, outcome = ran(tmp_path)
    assert outcome.reason == "1 round"
    assert domain.fitted == ["maker", "model"]
    own, mixed = domain.given
    assert not own.synthetic.any()
    assert mixed.ids.tolist() == own.ids.tolist() == list(range(40, 240))
    assert mixed.labels["target"].tolist() == own.labels["target"].tolist()  # captions never change
    assert np.isnan(mixed.inputs["value"]).tolist() == (~mixed.synthetic).tolist()
    assert mixed.inputs["code"].shape == (200, 3)
    setup, first = records(run)
    assert len(setup.added) == 200
    assert first.added.ids.tolist() == mixed.ids[mixed.synthetic].tolist()
    assert first.added.inputs["generation"].tolist() == [0] * len(first.added)
    assert {*first.added.origin} == {-2}  # humans wrote the labels
    assert first.sizes == {"train": 200, "synthetic": int(mixed.synthetic.sum())}
    metrics = first.evaluations["test"].metrics
    assert metrics["mix_share"].value == mixed.synthetic.mean()
    assert metrics["apart"].value > 1


def test_each_generator_learns_from_the_corpus_that_was_mixed_before(tmp_path):
    run, domain, _ = ran(tmp_path, loop={"share": 1.0, "rounds": 4})
    assert domain.fitted == ["maker", "model"] * 4
    for before, after in zip(domain.given[1::2], domain.given[2::2], strict=False):
        assert np.array_equal(before.inputs["value"], after.inputs["value"])  # the model's corpus, then the maker's
    apart = [record.evaluations["test"].metrics["apart"].value for record in records(run)[1:]]
    assert np.allclose(np.diff(apart), 0.25, atol=0.05)  # the drift adds up
    half = ran(tmp_path, "half", loop={"share": 0.5, "rounds": 4})[0]
    assert records(half)[-1].evaluations["test"].metrics["apart"].value < apart[-1] - 0.3  # real ones hold it


def test_nothing_is_made_at_share_0_and_the_generator_learns_from_real_inputs_again(tmp_path):
    run, domain, _ = ran(tmp_path, loop={"share": 0.0, "rounds": 3})
    assert all(not train.inputs.columns and not train.synthetic.any() for train in domain.given)
    assert [record.added for record in records(run)[1:]] == [None] * 3
    assert records(run)[-1].evaluations["test"].metrics["mix_share"].value == 0


def test_prepared_inputs_are_given_by_key(tmp_path):
    run, domain, _ = ran(tmp_path, kind=KeyedDomain)
    (mixed,) = domain.given
    assert domain.fitted == ["model"]
    assert mixed.inputs["shard"][mixed.synthetic].tolist() == (mixed.ids[mixed.synthetic] % 3).tolist()
    assert {*mixed.inputs["shard"][~mixed.synthetic]} == {-1}
    assert mixed.inputs.columns["shard"].vocabulary == "shards"
    added = records(run)[1].added
    assert added.inputs["member"].tolist() == (added.ids // 3).tolist()
    assert {*run.read("round-0000", models=True).models} == {"model"}


def test_the_first_generator_is_shared_by_shares(tmp_path):
    ran(tmp_path, "one")
    _, domain, _ = ran(tmp_path, "two", loop={"share": 1.0})
    assert domain.fitted == ["model"]
    alone = ran(tmp_path / "elsewhere", "two", loop={"share": 1.0})[0]
    assert_same_run(tmp_path / "two", alone.directory)


@pytest.mark.parametrize("kind", [KeyedDomain, MakingDomain])
def test_stopping_at_every_moment_changes_no_bit(tmp_path, kind):
    loop = {"rounds": 2 if kind is MakingDomain else 1, "snapshots": 2}
    ran(tmp_path / "unbroken", loop=loop, kind=kind)
    for at in range(0, 100, 3):
        there, asked = tmp_path / f"stopped-{at}", itertools.count()
        reason = ran(there, loop=loop, kind=kind, stopping=lambda at=at, asked=asked: next(asked) >= at)[2].reason
        ran(there, loop=loop, kind=kind)
        assert_same_run(tmp_path / "unbroken" / "run", there / "run")
        if reason:
            break
    assert 5 < at < 99


def test_a_stored_round_is_measured_again_without_a_model(tmp_path):
    run, domain, _ = ran(tmp_path, loop={"rounds": 2})
    prepared = mixing({"rounds": 2})
    for step in run.manifest.steps():
        prepared.rule.absorb(run.read(step))
    last = records(run)[-1]
    again = prepared.rule.measure(1, last, last.evaluations["test"].tables)
    first = last.evaluations["test"].metrics
    assert {name: metric.value for name, metric in again.items()} == {name: first[name].value for name in first}
    seen = prepared.rule.training_set(1)
    assert seen.synthetic.tolist() == domain.given[-1].synthetic.tolist()


def test_a_run_whose_pictures_are_gone_says_so_instead_of_going_on_with_others(tmp_path):
    ran(tmp_path, loop={"rounds": 3})
    cut(tmp_path / "run", 1)
    (tmp_path / "run" / "model-0000.h5").unlink(missing_ok=True)
    with pytest.raises(DamagedStore, match=r"what the generator of round 0 made is not there any more"):
        ran(tmp_path, loop={"rounds": 3})


def test_snapshots_are_of_the_model_on_the_mixed_corpus(tmp_path):
    run = ran(tmp_path, loop={"snapshots": 1})[0]
    evaluations = records(run)[1].evaluations
    assert [name for name in evaluations if name.startswith("epoch-")] == ["epoch-0001", "epoch-0002", "epoch-0003"]
    assert evaluations["epoch-0001"].metrics["mix_share"].value == evaluations["test"].metrics["mix_share"].value


def test_what_settings_ask_of_a_domain():
    assert MixingSettings(rule="mixing", share=0).demands() == Demands()
    assert MixingSettings(rule="mixing", share=0.1).demands() == Demands(frozenset({"inputs"}))
    with pytest.raises(Mismatch, match=r'cannot run loop.rule = "mixing": it has no .*fit_maker'):
        mixing({"rounds": 2}, kind=KeyedDomain)
    with pytest.raises(Mismatch, match=r'the domain .toy. cannot run loop.rule = "mixing": it has no make'):
        loop = rules.settings_of({"rule": "mixing", "share": 0.5})
        rules.build(loop, toy_prepared(toy_experiment()).domain, "toy", toy_prepared(toy_experiment()).rule.streams)


def test_samples_without_a_label_are_refused(monkeypatch):
    prepared = mixing()
    splits = prepared.domain.splits()
    monkeypatch.setattr(prepared.domain, "splits", lambda: Splits(splits.test, splits.pool, unlabelled=splits.pool[:3]))
    with pytest.raises(Mismatch, match="3 samples of the pool have none"):
        prepared.rule.prepare()


def test_selection_is_refused_with_a_sentence_that_is_true():
    with pytest.raises(Mismatch, match="select no samples yet"):
        rules.require_selecting(rules.settings_of({"rule": "mixing", "share": 0.5}))


def test_human_labels_are_those_of_the_corpus(tmp_path):
    prepared = mixing({"rounds": 2})
    engine.run(prepared, tmp_path / "run", Options(tmp_path / "data", interval=1e9))
    ids = {int(i) for record in records(Run.open(tmp_path / "run")) for i in record.added.ids}
    assert prepared.rule.human_labels(2) == len(ids) == 200


@pytest.mark.parametrize(("values", "message"), [
    ({"share": 1.5}, "less than or equal to 1"), ({}, "Field required"), ({"share": 0.5, "rounds": 0}, "greater than"),
])  # fmt: skip
def test_settings_that_mean_nothing_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Experiment.model_validate({"name": "x", "domain": {"name": "toy"}, "loop": {"rule": "mixing", **values}})
