"""Who learns from the holdout, which losses travel with which rows, and what a fit that selects is told."""

from dataclasses import replace

import numpy as np
import pytest
from support.selecting_toy import CLASSES, LineDomain, labelled, line_experiment, line_prepared, walk

from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.selection import CLASS_IRREDUCIBLE
from biasloop.feedback.selecting import COLUMN
from biasloop.metrics.selection import RIGHT, STATES, UNKNOWN, WRONG
from biasloop.records.ledger import HUMAN
from biasloop.running import engine
from biasloop.running.engine import Options
from biasloop.store.reader import Run

HOLDOUT = np.arange(90, 114)
ROUNDS = 3


def run(selection, loop=None, *, seed=0, kind=LineDomain, **domain):
    """A finished run, whose domain has written down what it was asked, and its steps."""
    prepared = line_prepared(line_experiment(selection, loop, **domain), seed, kind)
    return prepared, walk(prepared)


def irreducible(records):
    """Models of the set-up by name."""
    return {name.removeprefix("irreducible-"): m for name, m in records[0].models.items()}


def test_a_model_of_irreducible_losses_learns_from_the_holdout_alone_and_once():
    prepared, records = run({"name": "rho"})
    first, *rounds = prepared.domain.seen.fits
    assert first.ids.tolist() == HOLDOUT.tolist()
    assert first.target.tolist() == prepared.domain.classes_of(HOLDOUT).tolist()
    assert first.weights is None and first.samples.selection is None and not first.synthetic.any()
    assert len(rounds) == ROUNDS
    assert not any(np.isin(fit.ids, HOLDOUT).any() for fit in rounds)
    assert {*irreducible(records)} == {"all"}
    assert not any(name.startswith("irreducible") for record in records[1:] for name in record.models)


@pytest.mark.parametrize("gamma", [9.0, 0.5])
def test_models_of_categories_weigh_their_own_samples_by_1_and_gamma(gamma):
    each, _ = run({"name": "reducr", "irreducible": {"gamma": gamma}}, {"rounds": 1})
    heads, records = run({"name": "reducr", "irreducible": {"gamma": gamma, "models": "heads"}})
    of_class = each.domain.classes_of(HOLDOUT)
    expected = np.where(of_class == np.arange(len(CLASSES))[:, None], 1 + gamma, 1.0)  # (C, h)
    assert all(fit.ids.tolist() == HOLDOUT.tolist() for fit in [*each.domain.seen.heads, *heads.domain.seen.heads])
    assert np.array_equal(np.concatenate([fit.weights for fit in each.domain.seen.heads]), expected)
    (trunk,) = heads.domain.seen.heads
    assert np.array_equal(trunk.weights, expected)
    assert {*irreducible(records)} == {"heads"}
    assert records[0].added.payload[COLUMN].shape == (20, len(CLASSES))


def test_models_of_other_settings_are_those_of_a_variant():
    prepared, _ = run({"name": "rho", "irreducible": {"domain": {"shift": 0.5, "epochs": 1}}})
    assert [fit.shift for fit in prepared.domain.seen.fits] == [0.5] + [0.0] * ROUNDS
    assert {asked.shift for asked in prepared.domain.seen.losses} == {0.5}


@pytest.mark.parametrize("name", ["uniform", "rho", "reducr"])
def test_the_holdout_is_in_no_ledger_pool_or_test_set(name):
    prepared, records = run({"name": name})
    splits = prepared.domain.splits()
    ledger = np.concatenate([record.added.ids for record in records if record.added is not None])
    for ids in (ledger, splits.pool, splits.test):
        assert not np.isin(ids, HOLDOUT).any()
    assert np.isin(ledger, splits.pool).all()
    assert len({*ledger.tolist()}) == len(ledger) == 20 + 2 * 12


def test_a_holdout_that_is_added_is_there_from_the_start_with_human_labels():
    prepared, (setup, *_) = run({"name": "uniform", "add_holdout": True}, {"human": 2, "model": 3})
    held = np.isin(setup.added.ids, HOLDOUT)
    assert setup.added.ids[held].tolist() == HOLDOUT.tolist() and (~held).sum() == 20
    assert (setup.added.origin == HUMAN).all()
    assert setup.added.payload["target"].tolist() == prepared.domain.classes_of(setup.added.ids).tolist()
    assert all(np.isin(HOLDOUT, fit.ids).all() for fit in prepared.domain.seen.fits)
    _, (without, *_) = run({"name": "uniform"}, {"human": 2, "model": 3})
    assert setup.added.ids[~held].tolist() == without.added.ids.tolist()  # else the arms differ in more than that


@pytest.mark.parametrize("name", ["rho", "reducr"])
@pytest.mark.parametrize("models", ["each", "heads"])
def test_losses_are_of_the_labels_in_the_ledger(name, models):
    prepared, records = run({"name": name, "irreducible": {"models": models}})
    domain, wrong = prepared.domain, 0
    loaded = [domain.load_heads(model.arrays) for model in irreducible(records).values()]
    for record in [record for record in records if record.added is not None]:
        ids, payload = record.added.ids, record.added.payload
        given, right = (
            np.concatenate([domain._losses(m, Samples(ids, np.zeros(len(ids), bool), of)) for m in loaded]).T
            for of in (payload, labelled(domain.classes_of(ids)))
        )
        assert payload[COLUMN].dtype == np.float32
        assert np.array_equal(payload[COLUMN], given.astype(np.float32))
        other = payload["target"] != domain.classes_of(ids)
        wrong += other.sum()
        assert (given[other] != right[other]).any(1).all()
    assert wrong


def test_losses_are_asked_for_once_of_every_row():
    prepared, records = run({"name": "rho"}, {"keep": "subsample"})
    asked = [of.ids.tolist() for of in prepared.domain.seen.losses]
    human, model = (slice(0, 4), slice(4, 12))
    entered = [record.added.ids for record in records[2:]]
    assert asked == [records[0].added.ids.tolist()] + [ids[of].tolist() for ids in entered for of in (human, model)]
    assert [of.synthetic.any() for of in prepared.domain.seen.losses] == [False, False, True, False, True]


@pytest.mark.parametrize("keep", ["all", "subsample", "replace"])
@pytest.mark.parametrize("twins", [0, 3])
def test_a_fit_is_told_the_losses_of_its_rows(keep, twins):
    selection = {"name": "reducr" if not twins else "rho", "irreducible": {"twins": twins}}
    prepared, records = run(selection, {"keep": keep})
    entered = [record.added for record in records if record.added is not None]
    rows = {
        (int(i), int(label)): loss
        for added in entered
        for i, label, loss in zip(added.ids, added.payload["target"], added.payload[COLUMN], strict=True)
    }
    rounds = prepared.domain.seen.fits[-ROUNDS:]
    for fit in rounds:
        told = fit.samples.selection.irreducible  # (C or 1, n)
        assert told.dtype == np.float32
        expected = [rows[i, label] for i, label in zip(fit.ids.tolist(), fit.target.tolist(), strict=True)]
        assert np.array_equal(told.T, np.array(expected))
    assert len(rounds[-1].ids) == {"all": 44, "subsample": 20, "replace": 12}[keep]


def test_no_model_of_irreducible_losses_learns_what_the_best_epoch_is_judged_on():
    judged = {"name": "rho", "best": "accuracy", "judge": 0.25}
    prepared, _ = run(judged)
    first, *rounds = prepared.domain.seen.fits
    assert len(first.ids) == 18
    for fit in rounds:
        selection = fit.samples.selection
        assert selection.judge.samples.ids.tolist() == np.setdiff1d(HOLDOUT, first.ids).tolist()
        assert selection.holdout.samples.ids.tolist() == first.ids.tolist()
        assert selection.judge.categories.tolist() == prepared.domain.classes_of(selection.judge.samples.ids).tolist()
    other, _ = run(judged, seed=1)
    assert other.domain.seen.fits[0].ids.tolist() != first.ids.tolist()
    last, _ = run(judged | {"best": "last"})
    assert last.domain.seen.fits[0].ids.tolist() == HOLDOUT.tolist()  # nobody judges, so none is taken away
    assert last.domain.seen.fits[-1].samples.selection.judge is None


@pytest.mark.parametrize(("twins", "models", "name"), [(2, "each", "rho"), (3, "heads", "reducr"), (11, "each", "rho")])
def test_no_row_is_scored_by_a_twin_that_learnt_it(twins, models, name):
    options = {"irreducible": {"twins": twins, "models": models}}
    if name == "reducr":  # which needs no look at the holdout then
        options["options"] = {"reducr": {"holdout": False}}
    prepared, records = run({"name": name, **options}, holdout=0 if name == "rho" else 24)
    seen = prepared.domain.seen
    fits = seen.heads if name == "reducr" else seen.fits[:twins]
    learnt = {}
    for part, fit in enumerate(fits):
        kind = "heads" if name == "reducr" else "all"
        learnt[irreducible(records)[f"{kind}-{part}"].arrays["values"].tobytes()] = {*fit.ids.tolist()}
    assert len(learnt) == twins
    start, asked = {*records[0].added.ids.tolist()}, []
    for of in seen.losses:
        assert not learnt[of.model.values.tobytes()] & {*of.ids.tolist()}
        asked += of.ids.tolist()
    assert all(ids <= start for ids in learnt.values())  # a part may have none
    assert len(asked) == len({*asked}) == 44  # each row once
    assert {i for ids in learnt.values() for i in ids} == start


def test_the_holdout_is_told_to_selectors_that_look_at_it_alone():
    of_rho, _ = run({"name": "rho"})
    of_reducr, _ = run({"name": "reducr"})
    assert of_rho.domain.seen.fits[-1].samples.selection.holdout is None
    told = of_reducr.domain.seen.fits[-1].samples.selection
    assert CLASS_IRREDUCIBLE in told.selector.needs and told.categories == len(CLASSES)
    assert told.holdout.samples.ids.tolist() == HOLDOUT.tolist()
    assert told.holdout.categories.tolist() == of_reducr.domain.classes_of(HOLDOUT).tolist()


def test_what_a_fit_is_told_is_what_is_set():
    settings = {"scoring": "train", "refresh": 3, "best": "accuracy", "share": 0.3, "proxy": {"shift": 1.0}}
    prepared, _ = run({"name": "train-loss", **settings}, {"rounds": 1})
    told = prepared.domain.seen.fits[0].samples.selection
    assert {name: getattr(told, name) for name in settings} == settings
    assert told.irreducible is None


def test_models_that_go_on_learning_begin_where_the_holdout_has_taught_them(tmp_path):
    prepared, records = run({"name": "rho", "irreducible": {"updating": 0.01, "domain": {"shift": 0.5}}})
    assert COLUMN not in records[0].added.payload and not prepared.domain.seen.losses
    for fit in prepared.domain.seen.fits[1:]:
        assert fit.samples.selection.irreducible is None
        updating = fit.samples.selection.updating
        (taught,) = updating.models
        assert np.array_equal(taught.arrays["values"], irreducible(records)["all"].arrays["values"])
        assert (updating.factor, updating.settings) == (0.01, {"shift": 0.5})


def test_runs_share_models_of_irreducible_losses_that_depend_on_the_same(tmp_path):
    def fitted(selection, loop=None, *, seed=0, shared="shared", **domain):
        prepared = line_prepared(line_experiment(selection, {"rounds": 1, **(loop or {})}, **domain), seed)
        directory = tmp_path / f"run-{len([*tmp_path.iterdir()])}"
        engine.run(prepared, directory, Options(tmp_path / shared, interval=1e9))
        models = irreducible([Run.open(directory).read("setup", models=True)])
        return len(prepared.domain.seen.fits) - 1, [model.arrays["values"].tobytes() for model in models.values()]

    fresh, values = fitted({"name": "rho"})
    assert fresh == 1
    assert fitted({"name": "irreducible", "share": 0.2, "best": "accuracy"}, {"start": 30}) == (0, values)
    assert fitted({"name": "rho", "best": "accuracy", "judge": 0.25})[0] == 1
    assert fitted({"name": "rho", "irreducible": {"domain": {"shift": 0.5}}})[0] == 1
    assert fitted({"name": "rho"}, holdout=23)[0] == 1
    assert fitted({"name": "rho"}, seed=1)[0] == 1
    assert fitted({"name": "rho"}, shared="elsewhere") == (1, values)  # the bits, from wherever they come
    for start in (20, 30):  # twins learn from the first training set, which the settings of [loop] decide
        assert fitted({"name": "rho", "irreducible": {"twins": 2}}, {"start": start})[0] == 2


def test_strata_tell_right_labels_from_wrong_ones_and_from_those_that_nobody_knows():
    prepared, _ = run({"name": "uniform"}, {"model": 16}, unlabelled=10)
    domain, splits = prepared.domain, prepared.domain.splits()
    states = set()
    for fit in domain.seen.fits:
        state = np.where(fit.target == domain.classes_of(fit.ids), RIGHT, WRONG)
        state[np.isin(fit.ids, splits.unlabelled)] = UNKNOWN
        strata = fit.samples.selection.strata
        assert strata.numbers.tolist() == (fit.target * STATES + state).tolist()
        assert strata.count == STATES * len(CLASSES)
        states |= {*state.tolist()}
    assert states == {RIGHT, WRONG, UNKNOWN}


def test_human_labels_that_a_setting_makes_wrong_are_known_to_be_wrong():
    class Noisy(LineDomain):
        def truth(self, ids):
            return labelled((self.classes_of(ids) + (np.asarray(ids) % 2 == 0)) % len(CLASSES))

    prepared, _ = run({"name": "uniform"}, {"rounds": 1}, kind=Noisy)
    (fit,) = prepared.domain.seen.fits
    state = fit.samples.selection.strata.numbers % STATES
    assert state.tolist() == np.where(fit.ids % 2 == 0, WRONG, RIGHT).tolist()

    class Right(LineDomain):
        def truth(self, ids):
            return Frame()

    prepared, _ = run({"name": "uniform"}, {"rounds": 1}, kind=Right)
    assert not (prepared.domain.seen.fits[0].samples.selection.strata.numbers % STATES).any()


def test_labels_that_cannot_be_compared_are_of_no_known_state():
    class Texts(LineDomain):
        def human_labels(self, ids):
            return super().human_labels(ids).plus(Frame({"text": Column.text([f"text {i}" for i in ids])}))

        def label(self, model, ids, by, work):
            return super().label(model, ids, by, work).plus(Frame({"text": Column.text(["?" for _ in ids])}))

        def _given(self, samples, weights=None, model=None):
            labels = Frame({name: c for name, c in samples.labels.columns.items() if name != "text"})
            return super()._given(replace(samples, labels=labels), weights, model)

        def errors(self, given, truth):
            return None

    prepared, _ = run({"name": "uniform"}, {"rounds": 1}, kind=Texts)
    state = prepared.domain.seen.fits[0].samples.selection.strata.numbers % STATES
    assert (state == UNKNOWN).all()


@pytest.mark.parametrize(
    ("selection", "bought"),
    [
        ({"name": "uniform"}, 20),
        ({"name": "uniform", "best": "accuracy"}, 44),
        ({"name": "uniform", "add_holdout": True}, 44),
        ({"name": "rho"}, 44),
        ({"name": "reducr"}, 44),
        ({"name": "rho", "irreducible": {"twins": 2}}, 20),
        (None, 20),
    ],
)
def test_human_labels_that_are_bought_count_a_holdout_that_is_used(selection, bought):
    for start, labelled_in_all in ((20, 60), ("all", 60)):
        loop = {"start": start} if start == 20 else {"start": "all", "human": 0, "model": 0}
        prepared = line_prepared(line_experiment(selection, loop))
        prepared.rule.prepare()
        first = bought if start == 20 else bought - 20 + labelled_in_all
        more = 4 if start == 20 else 0
        assert [prepared.rule.human_labels(rounds) for rounds in (1, 2, 3)] == [first, first + more, first + 2 * more]
        assert prepared.rule.expected_rounds() == ROUNDS


@pytest.mark.parametrize("added", [False, True])
def test_an_added_holdout_is_counted_once_however_far_the_run_is(added):
    selection, loop = {"name": "uniform", "add_holdout": added}, {"human": 8, "model": 8, "rounds": 9}
    fresh = line_prepared(line_experiment(selection, loop))
    fresh.rule.prepare()
    expected = fresh.rule.expected_rounds(), fresh.rule.human_labels(2)
    prepared, records = run(selection, loop)
    assert len(records) - 1 == expected[0] == 3  # 40 of the pool are left, in 16s
    assert (prepared.rule.expected_rounds(), prepared.rule.human_labels(2)) == expected
    assert [record.sizes["train"] for record in records[1:]] == [20 + 24 * added + 16 * r for r in range(3)]


def test_models_of_categories_that_weigh_otherwise_are_not_shared(tmp_path):
    fitted = []
    for number, gamma in enumerate((9.0, 4.0, 9.0)):
        selection = {"name": "reducr", "irreducible": {"models": "heads", "gamma": gamma}}
        prepared = line_prepared(line_experiment(selection, {"rounds": 1}))
        engine.run(prepared, tmp_path / f"run-{number}", Options(tmp_path / "shared", interval=1e9))
        fitted.append(len(prepared.domain.seen.heads))
    assert fitted == [1, 1, 0]
