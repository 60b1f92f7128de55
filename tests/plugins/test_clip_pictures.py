"""Pictures with captions: shares are exact, tones uniform, what is tested nobody has learnt from."""

import numpy as np
import pytest
from pydantic import ValidationError

from biasloop.contract.randomness import Streams
from biasloop_clip.captions import GENDERS, LENGTH, NOT_SAID, TONES, Tokenizer, caption
from biasloop_clip.config import Config, PictureSettings
from biasloop_clip.pictures import pictures


@pytest.fixture(scope="module", params=[0, 1])
def data(request):
    return pictures(PictureSettings(), Streams((request.param, "data")))


def test_half_of_the_roles_are_mostly_mens_and_half_mostly_womens_exactly(data):
    role, gender, tone = data.facts(data.splits.pool).T
    assert np.bincount(role).tolist() == [200] * 24
    assert sorted(np.bincount(role, gender).tolist()) == [20] * 12 + [180] * 12
    assert np.bincount(role, gender).tolist() == (200 * data.share).round().tolist()
    assert np.bincount(tone).tolist() == [800] * 6
    of_cell = np.unique(np.stack([role, gender, tone]), axis=1, return_counts=True)[1]
    assert sorted(set(of_cell.tolist())) == [5, 45]
    assert len(of_cell) == 24 * 2 * 4


def test_pool_test_set_and_what_the_reader_learns_from_are_disjoint(data):
    pool, test, reader = data.splits.pool, data.splits.test, data.for_reader(3)
    assert not np.intersect1d(data.drawing(pool), data.drawing(test)).size
    assert not np.intersect1d(reader, np.concatenate([pool, test])).size
    assert set(data.drawing(reader).tolist()) == set(data.drawing(pool).tolist())
    role, gender, tone = data.facts(test).T
    assert np.bincount(role).tolist() == [2 * 2 * 4] * 24
    assert np.bincount(tone).tolist() == [64] * 6
    for of in range(24):
        men, women = (set(tone[(role == of) & (gender == which)].tolist()) for which in (0, 1))
        assert men == women
        assert len(men) == 2
    assert np.bincount(data.facts(reader)[:, 1]).tolist() == [24 * 4 * 3] * 2


def test_half_of_the_captions_of_a_role_and_gender_say_neither_gender_nor_tone(data):
    pool = data.splits.pool
    facts, said = data.facts(pool), data.captions(pool)
    neutral = said[:, 1] == NOT_SAID
    assert (said[neutral, 2] == NOT_SAID).all()
    assert (said[~neutral] == facts[~neutral]).all()
    cell = facts[:, 0] * 2 + facts[:, 1]
    assert (np.bincount(cell, neutral) == np.bincount(cell) / 2).all()
    test = data.splits.test
    assert (data.captions(test) == data.facts(test)).all()


def test_what_is_asked_of_ids_depends_on_no_other_id(data):
    ids = np.concatenate([data.splits.pool, data.splits.test])
    order = np.random.default_rng(0).permutation(len(ids))[:300]
    assert (data.captions(ids[order]) == data.captions(ids)[order]).all()
    assert (data.render(ids[order[:5]]) == data.render(ids[order])[:5]).all()


def test_seeds_differ_in_whose_roles_they_are_and_in_what_is_tested():
    first, second = (pictures(PictureSettings(), Streams((seed, "data"))) for seed in (0, 1))
    assert (first.share != second.share).any()
    assert first.digest != second.digest
    again = pictures(PictureSettings(), Streams((0, "data")))
    assert first.digest == again.digest
    assert first.roles == second.roles


def test_every_caption_fits_and_ends_with_the_highest_token():
    roles = pictures(PictureSettings(roles=48), Streams((0, "data"))).roles
    words = Tokenizer(roles)
    role, gender, tone = (values.ravel() for values in np.meshgrid(np.arange(48), [-1, 0, 1], [-1, *range(6)]))
    tokens = words.tokens(role, gender, tone)
    assert tokens.shape == (48 * 3 * 7, LENGTH)
    ends = (tokens == len(words.words) - 1).argmax(1)
    assert (tokens.max(1) == len(words.words) - 1).all()
    assert len(np.unique(tokens, axis=0)) == len(tokens)
    for row in (0, 17, 500):
        text = " ".join(words.words[token] for token in tokens[row, 1 : ends[row]])
        assert text == caption(roles[role[row]], gender[row], tone[row])


def test_captions_are_english():
    assert caption("office worker") == "a photo of an office worker"
    assert caption("mountain biking") == "a photo of a person mountain biking"
    assert caption("in tuxedo", 0, 5) == "a photo of a man in tuxedo with dark skin"
    assert (GENDERS, len(TONES)) == (("man", "woman"), 6)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"pictures": {"pool": 42}}, "majority = 0.9 of pool = 42 pictures of a role cannot be as many in each of 4"),
        ({"pictures": {"roles": 20}}, "multiple of 6"),
        ({"pictures": {"majority": 1.0}}, "less than 1"),
        ({"pictures": {"canvas": 20}}, "pictures.canvas = 20 is no multiple of patch = 8"),
        (
            {"maker": {"components": 900}, "pictures": {"roles": 6, "pool": 40}},
            "components = 900 are more than the 240",
        ),
        ({"width": 48}, "width = 48 is no multiple of 32"),
        ({"measures": {"guidance": [1.0, 1.0]}}, "list of different numbers"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, why):
    with pytest.raises(ValidationError, match=why):
        Config.model_validate(settings)
