"""The domain "clip": its contract, what CLIP is given, and runs that are stopped."""

import numpy as np
import pytest
import torch
from support.clip import SMALL, changes

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.contract.context import Context, Work
from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.domains import Demands
from biasloop.contract.randomness import Streams
from biasloop.contract.testing import check
from biasloop.errors import InvalidInput
from biasloop.running.engine import Options, prepare, run
from biasloop.store.reader import Run
from biasloop_clip import ClipDomain
from biasloop_clip.learner import CODE, _prepared


def built(**settings):
    config = ClipDomain.Config.model_validate({**SMALL, **settings})
    return ClipDomain(config, Context(None, Streams((0, "data")), threads=1))


@pytest.fixture(scope="module")
def domain():
    return built()


def work(name="call"):
    return Work(Streams((0, name)))


def corpus(domain, made=None):
    """The pool; every third sample with a picture that was made, if some were."""
    ids = domain.splits().pool
    chosen = np.arange(len(ids)) % 3 == 0
    if made is None:
        return Samples(ids, np.zeros(len(ids), np.bool_), domain.human_labels(ids))
    codes = np.where(chosen[:, None], made[CODE], np.nan).astype(np.float32)
    return Samples(ids, chosen, domain.human_labels(ids), Frame({CODE: Column(codes)}))


def test_the_domain_keeps_the_contract(tmp_path):
    assert check(ClipDomain, data_directory=tmp_path, **SMALL)[-1] == "inputs that are made"


def test_pictures_that_are_made_depend_on_id_and_stream_alone(domain):
    maker = domain.fit_maker(corpus(domain), work())
    ids = domain.splits().pool
    made = domain.make(maker, ids, work("make"))[CODE]
    for rows in (np.arange(len(ids))[::-1], np.array([200, 3]), np.array([17])):
        assert np.array_equal(domain.make(maker, ids[rows], work("make"))[CODE], made[rows])
    assert not np.array_equal(domain.make(maker, ids[:3], work("another"))[CODE], made[:3])
    shown = domain.samples(maker, 5, work())
    assert (shown.shape, shown.dtype) == ((5, 16, 16, 3), np.uint8)


def test_clip_is_given_real_pictures_and_those_that_were_made(domain):
    learner, ids = domain._learner, domain.splits().pool
    made = Frame({CODE: Column(np.random.default_rng(0).normal(size=(len(ids), 8)).astype(np.float32))})
    train = corpus(domain, made)
    pixels = learner._pixels(train)
    real = ~train.synthetic
    assert np.array_equal(pixels[real], domain._data.render(ids[real]))
    assert np.array_equal(pixels[~real], learner.decoded(made[CODE][~real]))
    assert np.array_equal(learner._pixels(corpus(domain)), domain._data.render(ids))
    alike = built(equalised=True)._learner._pixels(train)
    assert np.array_equal(alike[~real], pixels[~real])
    assert np.array_equal(alike[real], learner.coded(ids[real]))


def test_a_generator_learns_from_what_an_earlier_one_made(domain, monkeypatch):
    seen = []
    monkeypatch.setattr("biasloop_clip.learner.loop.fit", lambda network, source, *_, **__: seen.append(source._train))
    made = Frame({CODE: Column(np.full((240, 8), 7.0, np.float32))})
    domain.fit_maker(corpus(domain, made), work())
    (rows,) = seen
    assert (rows.inputs[::3] == 7).all()
    assert rows.inputs.isfinite().all()
    assert not (rows.inputs[1::3] == 7).any()
    assert torch.equal(rows.labels, torch.from_numpy(domain._data.captions(domain.splits().pool)))


def test_pixels_are_from_minus_one_to_one():
    prepared = _prepared(torch.tensor([[[[0, 255, 51]]]], dtype=torch.uint8))
    assert prepared.flatten().tolist() == pytest.approx([-1, 1, -0.6])


def test_labels_read_as_captions(domain):
    ids = domain.splits().test[:2]
    texts = [row["caption"] for row in domain.describe(ids, domain.human_labels(ids))]
    assert texts[0].startswith("a photo of a")
    assert texts[0].endswith("skin")
    neutral = Frame({name: Column(np.array([value])) for name, value in (("role", 0), ("gender", -1), ("tone", -1))})
    assert domain.describe(ids[:1], neutral) == [{"caption": "a photo of an artist"}]


def test_a_batch_of_more_pairs_than_there_are_is_refused_before_anything_is_spent():
    with pytest.raises(InvalidInput, match="domain.batch_size is 500, and the pool has 240 pictures; set 240 or less"):
        built(batch_size=500).check(Demands())
    built().check(Demands())


def made_run(place, stopping=lambda: False, rounds=2, share=0.5, **options):
    """A run in `place`/run."""
    preset = presets.read("quickstart-clip").override(
        {**changes(), ("loop", "share"): share, ("loop", "rounds"): rounds}, "test"
    )
    preset.values.pop("grid", None)
    chosen = Options(place / "data", threads=1, stopping=stopping, **options)
    run(prepare(arms_of(preset)[0][1], 0, chosen), place / "run", chosen)
    return Run.open(place / "run")


def test_a_run_that_is_stopped_goes_on_to_the_same_bits(tmp_path):
    unbroken = made_run(tmp_path / "a")
    ticks = iter(range(1000))
    stopped = made_run(tmp_path / "b", stopping=lambda: next(ticks) > 17, interval=0.0)
    assert "finished" not in stopped.manifest.about
    assert len(stopped.rounds) < 2
    went_on = made_run(tmp_path / "b")
    for number in range(2):
        first, second = (each.read(f"round-{number:04d}").evaluations["test"] for each in (unbroken, went_on))
        assert repr(first.metrics) == repr(second.metrics)
        for name, table in first.tables.items():
            for column in table.columns:
                np.testing.assert_array_equal(table[column], second.tables[name][column])


def test_the_presets_are_read_and_the_second_generation_is_measured(tmp_path):
    assert [arm.loop.share for _, arm in arms_of(presets.read("quickstart-clip"))] == [0.0, 0.5, 1.0]
    assert {arm.loop.share for _, arm in arms_of(presets.read("clip-loop-toy"))} == {0.5, 1.0}
    stored = made_run(tmp_path, share=1.0)
    first, second = (metrics for _, metrics, _, _ in stored.summaries())
    assert first["amplification.g1"].value != second["amplification.g1"].value
    assert {"recall_at_1", "recall_at_1_gap", "neutral_auc_difference", "self_similarity_gap", "compliance.g2",
            "women_neutral.g1.men_roles", "neutral_minus_explicit.g2.women_roles", "recall.g1",
            "women_train.men_roles", "reader_accuracy"} <= first.keys()  # fmt: skip
    assert first["women_train.men_roles"].value == pytest.approx(0.1)
