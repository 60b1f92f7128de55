"""Chains of generators and classifiers: who learns from whom, resumed bit for bit, shared where they are alike."""

from dataclasses import replace

import numpy as np
import pytest
from support.chains import NATURAL, ChainDomain, chain
from support.loops import assert_same_run, records, toy_experiment, toy_prepared

from biasloop.config.experiment import Experiment
from biasloop.contract.domains import EPOCHS, Demands
from biasloop.contract.randomness import Streams
from biasloop.errors import DamagedStore, InvalidInput, Mismatch
from biasloop.feedback import rules
from biasloop.feedback.generations import GenerationsSettings
from biasloop.running import engine
from biasloop.running.engine import Options, Step
from biasloop.running.reopen import replay
from biasloop.store.reader import Run


def options(tmp_path, **changes):
    return replace(Options(tmp_path / "data", interval=1e9), **changes)


def ran(tmp_path, name="run", loop=None, **changes):
    prepared = chain(loop, data=tmp_path / "data")
    outcome = engine.run(prepared, tmp_path / name, options(tmp_path, **changes))
    return Run.open(tmp_path / name), prepared.domain, outcome


def models(run, name):
    """Values of a model over the rounds that hold it."""
    found = [run.read(step, models=True).models for step in run.manifest.steps()]
    return [held[name].arrays["values"] for held in found if name in held]


def test_a_chain_fits_a_generator_and_a_classifier_a_generation(tmp_path):
    run, domain, outcome = ran(tmp_path, keep_models=True)
    assert outcome.reason == "6 generations"
    assert domain.fitted == ["annotator-label", "annotator-group", *["generator", "classifier"] * 6]
    setup, *rounds = records(run)
    assert setup.evaluations["annotator"].metrics["accuracy"].value == 1
    assert [sorted(record.evaluations["test"].metrics) for record in rounds] == [
        ["accuracy", "share_group", "share_label"]
    ] * 6
    assert rounds[0].frames["generator.curve"]["epoch"].tolist() == [1, 2, 3, 4]
    generators = models(run, "generator")
    assert abs(generators[0] - NATURAL).max() < 0.1
    assert generators[5][0] > generators[0][0] + 0.05  # the drift adds up over the chain


def test_a_frozen_generator_is_fitted_once_and_labels_come_from_the_chain(tmp_path):
    run, domain, _ = ran(tmp_path, loop={"generator": "frozen"}, keep_models=True)
    assert domain.fitted.count("generator") == 1
    assert domain.fitted.count("classifier") == 6
    generators = models(run, "generator")
    assert all(np.array_equal(one, generators[0]) for one in generators)


def finals(run):
    """Which generations hold a population labelled by their own classifier, and the labels."""
    tables = [record.evaluations["test"].tables for record in records(run)[1:]]
    return {at: found["final_population"]["label"] for at, found in enumerate(tables) if "final_population" in found}


def test_the_last_population_of_a_frozen_generator_is_labelled_by_the_last_classifier(tmp_path):
    run, domain, _ = ran(tmp_path, loop={"generator": "frozen"}, keep_models=True)
    found = finals(run)
    assert list(found) == [5]
    generator, classifier = models(run, "generator")[-1], models(run, "classifier")[-1]
    draws = Streams((0, 5, "final_population")).generator().choice(4, 200, p=generator)
    assert found[5].tolist() == classifier[draws].tolist()
    assert domain.fitted.count("generator") == 1
    assert not finals(ran(tmp_path, "sequential")[0])


def test_an_extended_run_keeps_the_last_population_of_its_former_end(tmp_path):
    before = finals(ran(tmp_path, loop={"generator": "frozen", "rounds": 2})[0])
    run, _, outcome = ran(tmp_path, loop={"generator": "frozen", "rounds": 4})
    assert outcome.reason == "4 generations"
    after = finals(run)
    assert list(after) == [1, 3]
    assert np.array_equal(after[1], before[1])


def test_labels_of_the_annotator_never_change(tmp_path):
    run, _, _ = ran(tmp_path, loop={"labels": "annotator"}, keep_models=True)
    wrong = [int((values != [0, 0, 1, 1]).sum()) for values in models(run, "classifier")]
    assert max(wrong) <= 1  # each classifier errs anew in one stratum at most, instead of adding errors up


def test_star_reaches_the_models_it_is_for(tmp_path):
    plain = models(ran(tmp_path, "none")[0], "generator")
    run, _, _ = ran(tmp_path, "star", loop={"star": "generator"})
    assert not np.array_equal(models(run, "generator")[-1], plain[-1])
    assert abs(models(run, "generator")[-1] - 0.25).max() < abs(plain[-1] - 0.25).max()
    run, _, _ = ran(tmp_path, "classifier", loop={"star": "classifier"})
    assert np.array_equal(models(run, "generator")[-1], plain[-1])


def test_annotators_and_the_first_generator_are_shared_by_settings(tmp_path):
    first, _, _ = ran(tmp_path, "one")
    second, domain, _ = ran(tmp_path, "two", loop={"star": "classifier"})
    assert domain.fitted[0] == "classifier"
    assert domain.fitted.count("generator") == 5
    alone, _, _ = ran(tmp_path / "elsewhere", "two", loop={"star": "classifier"})
    assert_same_run(second.directory, alone.directory)
    assert first.read("setup").frames.keys() == second.read("setup").frames.keys()
    prepared = chain(seed=1, data=tmp_path / "data")
    engine.run(prepared, tmp_path / "seed-1", options(tmp_path))
    assert prepared.domain.fitted[0] == "annotator-label"


def test_what_was_made_of_other_data_is_not_shared(tmp_path, monkeypatch):
    _, domain, _ = ran(tmp_path, "first", loop={"rounds": 1})
    _, again, _ = ran(tmp_path, "again", loop={"rounds": 1})
    assert (domain.fitted[0], again.fitted) == ("annotator-label", ["classifier"])
    monkeypatch.setattr(ChainDomain, "fingerprint", lambda self: "other data")
    _, other, _ = ran(tmp_path, "other", loop={"rounds": 1})
    assert other.fitted == domain.fitted


def together(source):
    return [
        [model.values.tolist() for model in pair] for pair in (*source.earlier, (source.generator, source.labeller))
    ]


@pytest.mark.parametrize("labels", ["sequential", "annotator"])
def test_samples_that_are_kept_come_from_all_generators_with_the_labels_that_they_had(tmp_path, labels):
    settings = {"keep": "subsample", "star": "both", "labels": labels, "rounds": 4}
    run, domain, _ = ran(tmp_path, loop=settings)
    generators = [values.tolist() for values in models(run, "generator")]
    classifiers = [values.tolist() for values in models(run, "classifier")]
    annotator = models(run, "annotator-label")[0].tolist()
    assert len(generators) == len(classifiers) == 4  # all are kept without being asked to
    before, after = [annotator, *classifiers[:3]], classifiers
    if labels == "annotator":
        before = after = [annotator] * 4
    fits = domain.sources
    assert [source.passes for source in fits] == [1] * 8
    for number in range(4):
        pairs = [list(pair) for pair in zip(generators, before, strict=True)]
        assert together(fits[2 * number + 1]) == pairs[: number + 1]
        if number:
            pairs = [list(pair) for pair in zip(generators, after, strict=True)]
            assert together(fits[2 * number]) == pairs[:number]


def test_samples_that_are_all_kept_take_as_many_passes(tmp_path):
    _, domain, _ = ran(tmp_path, loop={"keep": "all", "rounds": 4})
    assert [source.passes for source in domain.sources] == [1, 1, 1, 2, 2, 3, 3, 4]
    assert [len(source.earlier) for source in domain.sources] == [0, 0, 0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(("keep", "trained"), [("replace", [1] * 3), ("subsample", [1] * 3), ("all", [1, 2, 3])])
def test_settings_say_what_a_generation_costs(keep, trained):
    loop = rules.settings_of({"rule": "generations", "rounds": 3, "keep": keep})
    assert [loop.trained(number) for number in range(3)] == trained
    assert (loop.columns(), loop.bound()) == ((), None)


@pytest.mark.parametrize(("snapshots", "honoured"), [(None, frozenset()), (2, frozenset({EPOCHS}))])
def test_settings_say_what_fits_will_be_asked_for(snapshots, honoured):
    settings = GenerationsSettings(rule="generations", rounds=2, snapshots=snapshots)
    assert settings.demands() == Demands(honoured)


def test_keeping_what_was_made_slows_the_drift(tmp_path):
    replaced = models(ran(tmp_path, "replace")[0], "generator")[-1]
    kept = models(ran(tmp_path, "all", loop={"keep": "all"})[0], "generator")[-1]
    assert abs(kept - NATURAL).max() < abs(replaced - NATURAL).max()


def test_a_frozen_generator_whose_labels_are_kept(tmp_path):
    run, domain, _ = ran(tmp_path, loop={"keep": "subsample", "generator": "frozen", "rounds": 3}, keep_models=True)
    generator = models(run, "generator")[0].tolist()
    labellers = [models(run, "annotator-label")[0], *models(run, "classifier")]
    assert together(domain.sources[-1]) == [[generator, labeller.tolist()] for labeller in labellers[:3]]


def test_a_chain_that_keeps_what_it_made_needs_every_generation(tmp_path):
    run, _, _ = ran(tmp_path, loop={"keep": "subsample", "rounds": 3})
    (run.directory / "model-0001.h5").unlink()
    with pytest.raises(DamagedStore):
        ran(tmp_path, loop={"keep": "subsample", "rounds": 4})


@pytest.mark.parametrize("at", range(1, 30, 4))
@pytest.mark.parametrize("keep", ["replace", "all"])
def test_a_chain_stopped_anywhere_goes_on_bit_for_bit(tmp_path, at, keep):
    settings = {"star": "both", "keep": keep}
    reference, _, _ = ran(tmp_path / "reference", loop=settings)
    seen = [0]

    def watch(event):
        seen[0] += isinstance(event, Step)

    for interval in (1e9, -1):
        seen[0], name = 0, f"stopped{interval}"
        _, _, outcome = ran(
            tmp_path / name, loop=settings, interval=interval, on_event=watch, stopping=lambda: seen[0] >= at
        )
        assert outcome.reason == ""
        run, _, outcome = ran(tmp_path / name, loop=settings, interval=interval)
        assert outcome.reason == "6 generations"
        assert_same_run(run.directory, reference.directory)


def test_metrics_are_recomputed_from_stored_tables(tmp_path):
    run, _, _ = ran(tmp_path)
    fresh = chain(data=tmp_path / "data")
    fresh.rule.prepare()
    for number, record in replay(run, fresh.rule):
        evaluation = record.evaluations["test"]
        again = fresh.rule.measure(number, record, evaluation.tables)
        assert {name: metric.value for name, metric in again.items()} == {
            name: metric.value for name, metric in evaluation.metrics.items()
        }


def test_a_chain_without_its_models_says_that_it_cannot_go_on(tmp_path):
    run, _, _ = ran(tmp_path, loop={"rounds": 2})
    (run.directory / "model-0001.h5").unlink()
    with pytest.raises(DamagedStore):
        ran(tmp_path, loop={"rounds": 4})


def test_a_domain_that_generates_nothing_is_refused():
    domain = toy_prepared(toy_experiment()).domain
    loop = Experiment.model_validate(
        {"name": "x", "domain": {"name": "toy"}, "loop": {"rule": "generations", "rounds": 2}}
    ).loop
    with pytest.raises(Mismatch, match=r'cannot run loop.rule = "generations": it has no check_star, fit_annotator'):
        rules.build(loop, domain, "toy", Streams((0,)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"star": "classifier", "star_budget": 0}, "the budget of STAR is 0"),
        ({"star": "generator", "generator": "frozen"}, "is for later generators"),
        ({"star": "both", "star_ideal": [0.5, 0.4]}, "sum to 0.9"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        chain(changes)


def test_star_shares_that_do_not_fit_the_strata_are_refused_before_anything_is_fitted(tmp_path):
    with pytest.raises(InvalidInput, match="2 ideal shares for 4 strata"):
        ran(tmp_path, loop={"star": "both", "star_ideal": [0.5, 0.5]})
