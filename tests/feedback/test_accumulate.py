"""The rule's arithmetic against a plain reference: lists, loops, no cleverness."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from biasloop_toy import Overshoot, ToyDomain
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.loops import OPTIONS, records, toy_experiment, toy_prepared

from biasloop import bound
from biasloop.config.experiment import Experiment
from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame
from biasloop.contract.domains import EPOCHS, Demands
from biasloop.contract.names import MAIN
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput, Mismatch
from biasloop.feedback.accumulate import Accumulate
from biasloop.feedback.accumulate_settings import AccumulateSettings
from biasloop.records.ledger import HUMAN
from biasloop.running import engine
from biasloop.running.engine import Committed
from biasloop.running.reopen import replay
from biasloop.store.reader import Run

SIZES = st.fixed_dictionaries(
    {"start": st.integers(1, 60), "human": st.integers(0, 15), "model": st.integers(0, 15), "rounds": st.integers(1, 9)}
)


def run_toy(directory, *, seed=0, loop=None, **domain):
    prepared = toy_prepared(toy_experiment(loop=loop, **domain), seed)
    outcome = engine.run(prepared, directory, OPTIONS)
    return outcome, Run.open(directory), prepared


def share(run, name="share_predicted"):
    return np.array([metrics[name].value for _, metrics, _, _ in run.summaries()])


@settings(max_examples=25, deadline=None)
@given(loop=SIZES, keep=st.sampled_from(["all", "subsample", "replace"]), unlabelled=st.integers(0, 40))
def test_the_ledger_against_a_plain_reference(tmp_path_factory, loop, keep, unlabelled):
    human, model = loop["human"], loop["model"]
    if human + model == 0 and keep == "replace":
        loop["model"] = model = 1
    try:
        outcome, run, prepared = run_toy(
            tmp_path_factory.mktemp("run"), loop={**loop, "keep": keep}, pool=150, unlabelled=unlabelled, labels="bits"
        )
    except Mismatch:
        assert loop["start"] > 150 - unlabelled or loop["start"] + human + model > 150 or human > 150 - unlabelled
        return
    splits, rule = prepared.domain.splits(), prepared.rule
    alone = set(splits.unlabelled.tolist())
    steps = records(run)
    used, sizes = [], []
    for number, record in enumerate(steps[1:]):
        added = ([steps[0].added] if number == 0 else []) + ([record.added] if record.added else [])
        for part in added:
            used += part.ids.tolist()
            by_human = part.ids[part.origin == HUMAN].tolist()
            assert not alone & set(by_human)
            assert set(part.origin[part.origin != HUMAN].tolist()) <= {number - 1}
            assert set(part.since.tolist()) <= {number}
        if number:
            assert len(record.added or []) == human + model
            if record.added is not None:
                assert int(np.sum(record.added.origin == HUMAN)) == human
                by_model = record.added.ids[record.added.origin != HUMAN].tolist()
                left = alone - set(used[: -len(record.added)])
                assert len(alone & set(by_model)) == min(model, len(left))
        sizes.append(len(used))
        assert record.sizes["train"] == len(used) == rule.settings.size(number)
        assert record.sizes["trained"] == rule.settings.trained(number)
        assert record.sizes["reserve"] == 150 - len(used)
    assert len(used) == len(set(used))
    assert set(used) <= set(splits.pool.tolist())
    assert not set(used) & set(splits.test.tolist())
    assert outcome.rounds == len(sizes) == prepared.rule.expected_rounds()
    if outcome.rounds < loop["rounds"]:
        left = 150 - sizes[-1]
        by_human = 150 - unlabelled - (len(set(used) - alone))
        assert left < human + model or by_human < human


@settings(max_examples=100, deadline=None)
@given(loop=SIZES, cap=st.none() | st.integers(1, 9), unlabelled=st.integers(0, 149))
@example(loop={"start": 60, "human": 15, "model": 1}, cap=None, unlabelled=60)  # people are short of samples first
def test_rounds_are_counted_before_as_they_are_drawn(loop, cap, unlabelled):
    human, model = loop["human"], loop["model"] or 1
    rule = Accumulate(
        AccumulateSettings(**{**loop, "model": model, "rounds": cap}),
        ToyDomain(ToyDomain.Config(pool=150, unlabelled=unlabelled), Context(Path("unused"), Streams((0, "data")))),
        "toy",
        Streams((0,)),
    )
    labelled, alone, rounds = 150 - unlabelled - loop["start"], unlabelled, 1
    while labelled >= human and labelled + alone >= human + model and rounds != cap:
        taken = min(alone, model)
        labelled, alone, rounds = labelled - human - (model - taken), alone - taken, rounds + 1
    try:
        rule.prepare()
    except Mismatch:
        assert labelled < 0 or (rounds == 1 and cap != 1)
    else:
        assert rule.expected_rounds() == rounds
        assert labelled >= 0


@pytest.mark.parametrize("loop", [(50000, 1000, 4000), (100, 1, 9), (1234, 56, 789), (20, 0, 5), (20, 5, 0)])
def test_the_toy_loop_attains_the_bound(tmp_path, loop):
    start, human, model = loop
    sizes = {"start": start, "human": human, "model": model, "rounds": 8}
    _, run, _ = run_toy(tmp_path / "run", loop=sizes, pool=start + 8 * (human + model), delta=0.05)
    expected = bound.bound(start, human, model, 0.05, 7)
    assert share(run) - 0.5 == pytest.approx(expected, abs=1e-12)


def test_replacing_obeys_its_own_bound(tmp_path):
    loop = {"start": 60, "human": 5, "model": 20, "keep": "replace", "rounds": 6}
    _, run, _ = run_toy(tmp_path / "run", loop=loop, delta=0.03)
    assert share(run) - 0.5 == pytest.approx(bound.bound(60, 5, 20, 0.03, 5, replace=True), abs=1e-12)


@pytest.mark.parametrize(
    ("keep", "trained"), [("all", [60, 85, 110]), ("subsample", [60] * 3), ("replace", [60, 25, 25])]
)
def test_settings_say_what_a_round_costs_what_is_shown_of_it_and_which_bound_holds(keep, trained):
    loop = AccumulateSettings(start=60, human=5, model=20, keep=keep)
    assert [loop.trained(number) for number in range(3)] == trained
    assert [loop.size(number) for number in range(3)] == [60, 85, 110]
    assert loop.columns() == ("train", "human", "model")
    assert loop.bound() == bound.Theorem1(60, 5, 20, replace=keep == "replace")


@pytest.mark.parametrize(
    ("changes", "demands"),
    [
        ({}, Demands(frozenset(), 60)),
        ({"snapshots": 2, "label_by": "sample"}, Demands(frozenset({EPOCHS}), 60, "sample")),
        ({"keep": "subsample"}, Demands(frozenset(), 60)),
        ({"keep": "replace"}, Demands(frozenset(), 25)),
        ({"keep": "replace", "start": 10}, Demands(frozenset(), 10)),
        ({"keep": "replace", "rounds": 1}, Demands(frozenset(), 60)),
        ({"start": "all", "human": 0, "model": 0, "rounds": 2}, Demands()),
    ],
)
def test_settings_say_what_fits_will_be_asked_for(changes, demands):
    assert AccumulateSettings(**{"start": 60, "human": 5, "model": 20, **changes}).demands() == demands


def test_settings_name_the_share_of_people_where_that_alone_differs():
    loop = AccumulateSettings(start=60, human=5, model=20)
    assert loop.arm_label({"human", "model"}) == "20 % human"
    assert loop.arm_label({"human", "keep"}) is None
    assert AccumulateSettings(start=60, rounds=2).arm_label({"human"}) is None


def test_only_a_start_that_is_a_number_has_a_bound():
    with pytest.raises(InvalidInput, match=r'loop\.start as a number, and it is "all"'):
        AccumulateSettings(start="all", rounds=1).bound()


def test_subsampling_redraws_every_round_and_keeps_n0(tmp_path):
    _, run, prepared = run_toy(tmp_path / "run", loop={"keep": "subsample"}, labels="bits")
    fresh = toy_prepared(prepared.experiment)
    fresh.rule.prepare()
    sets = []
    for number, _ in replay(run, fresh.rule):
        train = fresh.rule.training_set(number)
        assert len(train) == 100
        sets.append(frozenset(train.ids.tolist()))
    assert len(set(sets)) == len(sets)


def test_runs_that_differ_in_one_setting_share_the_pool_order(tmp_path):
    _, one, _ = run_toy(tmp_path / "a", loop={"human": 5, "model": 20})
    _, two, _ = run_toy(tmp_path / "b", loop={"human": 15, "model": 10})
    for left, right in zip(records(one), records(two), strict=True):
        if left.added is not None:
            assert left.added.ids.tolist() == right.added.ids.tolist()


def test_label_errors_are_measured_against_the_truth(tmp_path):
    _, run, prepared = run_toy(tmp_path / "run", labels="bits", unlabelled=30, loop={"rounds": 6})
    truth = prepared.domain.human_labels
    alone = prepared.domain.splits().unlabelled
    for record in records(run)[2:]:
        machine = record.added.take(np.flatnonzero(record.added.origin != HUMAN))
        known = ~np.isin(machine.ids, alone)
        wrong = machine.payload["target"][known] != truth(machine.ids[known])["target"]
        stored = record.evaluations[MAIN].metrics["label_error"]
        assert stored.n == known.sum()
        assert (stored.value == pytest.approx(np.mean(wrong))) if known.any() else np.isnan(stored.value)
        assert (stored.error == pytest.approx(wrong.std() / wrong.size**0.5)) if known.any() else np.isnan(stored.error)
        assert np.isnan(record.frames["truth"]["error"][~known]).all()


def test_a_fit_alone_needs_no_feedback(tmp_path):
    outcome, run, _ = run_toy(tmp_path / "run", loop={"human": 0, "model": 0, "rounds": 1})
    assert outcome.rounds == 1
    assert run.rounds == [0]


@pytest.mark.parametrize(
    ("loop", "domain", "message"),
    [
        ({"start": 1001}, {}, "loop.start = 1001: the pool has 1000"),
        ({"start": 990, "human": 5, "model": 6}, {}, "10 samples are left in the reserve, a round needs 11"),
        ({"start": 100, "human": 50, "model": 0}, {"unlabelled": 870}, "30 human-labelled samples are left"),
        ({"label_by": "argmax"}, {}, "loop.label_by = 'argmax': the domain 'toy' labels by 'sample'"),
    ],
)
def test_what_cannot_work_is_refused_before_training(tmp_path, loop, domain, message):
    with pytest.raises(Mismatch, match=message):
        run_toy(tmp_path / "run", loop=loop, **domain)
    assert not list(tmp_path.glob("run/*.h5"))


def test_a_domain_without_labels_is_refused():
    class Blind:
        def splits(self):
            return None

    experiment = toy_experiment()
    prepared = toy_prepared(experiment)
    lacking = 'cannot run loop.rule = "accumulate": it has no human_labels, measure, references, fit, label'
    with pytest.raises(Mismatch, match=lacking):
        replace(prepared.rule, domain=Blind())


def test_a_finished_run_can_be_extended(tmp_path):
    run_toy(tmp_path / "short", loop={"rounds": 4})
    run_toy(tmp_path / "short", loop={"rounds": 9})
    run_toy(tmp_path / "long", loop={"rounds": 9})
    for name in ("round-0003.h5", "round-0004.h5", "round-0008.h5", "model-0008.h5"):
        assert (tmp_path / "short" / name).read_bytes() == (tmp_path / "long" / name).read_bytes()


class Scored(ToyDomain):
    """The toy with scores that travel with rows, and an untouched model."""

    scored: list = []  # noqa: RUF012 - counted over one test

    def score(self, ids, labels, work):
        self.scored.extend(ids.tolist())
        return Frame({"length": Column(ids * 2.0, role="score")})

    def pretrained(self, work):
        return Overshoot(0.9)


def run_scored(directory, **options):
    experiment = toy_experiment(loop={"rounds": 4, "pretrained": True})
    prepared = toy_prepared(toy_experiment(loop={"rounds": 4}))
    domain = Scored(prepared.domain.config, Context(Path("unused"), Streams((0, "data"))))
    rule = Accumulate(experiment.loop, domain, "toy", Streams((0,)))
    Scored.scored.clear()
    prepared = replace(prepared, experiment=experiment, domain=domain, rule=rule)
    engine.run(prepared, directory, replace(OPTIONS, **{"interval": 1e9, **options}))
    return Run.open(directory), rule


def test_scores_are_computed_once_and_travel_with_their_rows(tmp_path):
    run, rule = run_scored(tmp_path / "run")
    rows = rule.ledger.all()
    assert sorted(Scored.scored) == sorted(rows.ids.tolist())
    assert rows.payload["length"].tolist() == (rows.ids * 2.0).tolist()
    assert records(run)[2].added.payload["length"].tolist() == (records(run)[2].added.ids * 2.0).tolist()


def test_a_domain_may_score_what_a_model_gave_otherwise_than_what_people_did(tmp_path, monkeypatch):
    given = []

    def score_given(self, ids, labels, work):
        given.extend(ids.tolist())
        return Frame({"length": Column(ids * -1.0, role="score")})

    monkeypatch.setattr(Scored, "score_given", score_given, raising=False)
    _, rule = run_scored(tmp_path / "run")
    rows = rule.ledger.all()
    by_model = rows.origin >= 0
    assert by_model.any()
    assert sorted(given) == sorted(rows.ids[by_model].tolist())
    assert sorted(Scored.scored) == sorted(rows.ids[~by_model].tolist())
    assert rows.payload["length"].tolist() == np.where(by_model, rows.ids * -1.0, rows.ids * 2.0).tolist()


def test_the_untouched_model_is_evaluated_as_round_minus_one(tmp_path):
    run, _ = run_scored(tmp_path / "run")
    setup = records(run)[0]
    assert setup.evaluations["pretrained"].metrics["share_predicted"].value == pytest.approx(0.9)
    assert setup.evaluations["pretrained"].metrics["share_target"].value == 0.5
    assert run.pretrained()["share_predicted"].value == pytest.approx(0.9)
    with pytest.raises(Mismatch, match="it has no pretrained"):
        toy_prepared(toy_experiment(loop={"pretrained": True}))


def test_round_minus_one_is_told_when_it_is_made_and_when_a_run_goes_on(tmp_path):
    made, again = [], []
    run_scored(tmp_path / "run", on_event=made.append)
    run_scored(tmp_path / "run", on_event=again.append)
    for events in (made, again):
        told = [event for event in events if isinstance(event, Committed)]
        assert [event.number for event in told] == [-1, 0, 1, 2, 3]
        assert told[0].metrics["share_predicted"].value == pytest.approx(0.9)
    assert [event.resumed for event in told] == [True] * 5
    plain = []
    engine.run(toy_prepared(toy_experiment()), tmp_path / "plain", replace(OPTIONS, on_event=plain.append))
    assert min(event.number for event in plain if isinstance(event, Committed)) == 0


def test_kept_calls_change_no_bit(tmp_path):
    run_scored(tmp_path / "plain")
    run_scored(tmp_path / "kept", interval=-1)
    for name in ("setup.h5", "round-0003.h5", "model-0003.h5"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "kept" / name).read_bytes()


def test_all_of_the_pool_is_trained_on(tmp_path):
    experiment = toy_experiment(unlabelled=100)
    loop = {"rule": "accumulate", "start": "all", "rounds": 2}
    experiment = Experiment.model_validate({**experiment.nesting(), "loop": loop, "bound": None})
    engine.run(toy_prepared(experiment), tmp_path / "run", OPTIONS)
    sizes = [sizes for _, _, sizes, _ in Run.open(tmp_path / "run").summaries()]
    assert [one["trained"] for one in sizes] == [900, 900]
