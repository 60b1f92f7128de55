"""Samples of the pictures that come with biasloop: counts are exact, pixels depend on ids alone."""

import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from biasloop.contract.randomness import Streams
from biasloop.datasets import emoji_roles, emoji_variants
from biasloop_roles.emoji import DARK_TONES, LIGHT_TONES, EmojiSettings, situations
from biasloop_roles.gender import MAN, WOMAN, Genders
from biasloop_roles.situations import PADDING
from biasloop_roles.sources import DRAWN_LISTS

SMALL = {"pool": 20, "test": 10}


@pytest.fixture(scope="module")
def full():
    return situations(EmojiSettings())


@pytest.fixture(scope="module")
def drawn():
    return emoji_roles.pictures()


def data(seed):
    return Streams((seed, "data"))


def test_roles_that_lack_pictures_are_left_out(full, drawn):
    assert full.left_out == ("with bunny ears", "wrestling")
    assert len(full.vocabulary.verbs) == 48
    assert len(np.unique(full.picture)) == 587 - 3 - 2
    assert set(full.vocabulary.verbs) | set(full.left_out) == set(drawn.roles)


def test_sizes_are_those_asked_for(full):
    splits = full.splits(data(0))
    assert (len(splits.pool), len(splits.test)) == (12_960, 2_400)
    assert not np.intersect1d(splits.pool, splits.test).size
    for ids in splits.pool, splits.test:
        assert (np.diff(ids) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_women_are_exact_in_pool_and_test_set(full, seed):
    shares = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
    assert full.share.tolist() == shares * 6
    splits = full.splits(data(seed))
    for ids, count in ((splits.pool, 270), (splits.test, 50)):
        assert np.bincount(full.verb[ids]).tolist() == [count] * 48
        women = np.bincount(full.verb[ids], full.woman[ids])
        assert women.tolist() == [round(count * share) for share in shares * 6]


@pytest.mark.parametrize("seed", range(3))
def test_base_pictures_of_pool_and_test_set_are_disjoint_and_tones_the_same_of_both_genders(full, drawn, seed):
    splits = full.splits(data(seed))
    assert not np.intersect1d(full.picture[splits.pool], full.picture[splits.test]).size
    for verb in range(48):
        for ids, count in ((splits.test, 2), (splits.pool, 4)):
            of = full.picture[ids][full.verb[ids] == verb]
            men, women = (set(drawn.tone[of[drawn.woman[of] == gender]].tolist()) for gender in (0, 1))
            assert men == women
            assert len(men) == count
            assert {len(men & set(tones)) for tones in (LIGHT_TONES, DARK_TONES)} == {1}


def test_samples_of_a_gender_are_spread_over_its_base_pictures(full):
    splits = full.splits(data(0))
    for ids in splits.pool, splits.test:
        pictures, counts = np.unique(full.picture[ids], return_counts=True)
        stratum = {}
        for picture, count in zip(pictures.tolist(), counts.tolist(), strict=True):
            first = np.flatnonzero(full.picture == picture)[0]
            stratum.setdefault((full.verb[first], full.woman[first]), []).append(count)
        assert all(max(of) - min(of) <= 1 for of in stratum.values())


def test_seeds_draw_other_test_tones_of_the_same_samples(full):
    first, again, other = full.splits(data(0)), full.splits(data(0)), full.splits(data(1))
    assert first.test.tolist() == again.test.tolist()
    shared = np.intersect1d(first.test, other.test).size / len(first.test)
    assert 0.3 < shared < 0.7


def test_labels_say_what_pictures_show(full, drawn):
    nouns = np.array(full.vocabulary.nouns)
    assert full.vocabulary.roles == ("agent", "skin")
    assert full.frames.shape == (len(full), 1, 6)
    assert (full.frames[:, 0, 2:] == PADDING).all()
    assert (nouns[full.frames[:, 0, 0]] == np.where(full.woman, "woman", "man")).all()
    skins = np.array(["none", "light", "light", "medium", "dark", "dark"])
    assert (nouns[full.frames[:, 0, 1]] == skins[drawn.tone[full.picture]]).all()
    assert (np.array(full.vocabulary.verbs)[full.verb] == np.array(drawn.roles)[drawn.role[full.picture]]).all()
    slots = full.vocabulary.slots(full.verb, full.frames[:, 0])
    assert (slots[:, :2] >= 0).all()
    assert len(full.vocabulary.slot_pair) == 48 * 6


def test_a_sample_has_the_same_pixels_whatever_else_is_rendered(full):
    ids = np.array([7, 19_000, 3, 12_345, 3])
    pixels = full.render(ids)
    assert pixels.shape == (5, 32, 32, 3)
    assert pixels.dtype == np.uint8
    assert (pixels[2] == pixels[4]).all()
    for row, number in enumerate(ids):
        assert (full.render(np.array([number]))[0] == pixels[row]).all()
    many = full.render(np.arange(1500))
    assert (many[3] == pixels[2]).all()
    assert (many[7] == pixels[0]).all()
    assert len({image.tobytes() for image in many}) == 1500


def test_a_variant_has_the_same_pixels_whatever_the_settings(full):
    few = situations(EmojiSettings(**SMALL))
    picture, variant = few.picture[99], few.variant[99]
    (same,) = np.flatnonzero((full.picture == picture) & (full.variant == variant))
    assert (few.render(np.array([99])) == full.render(np.array([same]))).all()


def test_pixels_are_those_that_they_have_always_been(full):
    """Whole numbers alone are computed with, so that these are the bytes on any machine."""
    pixels = full.render(np.arange(0, len(full), 200))
    assert (
        hashlib.sha256(pixels.tobytes()).hexdigest()
        == "96108c7bde59cdb7abb0700ff6a2016c87d587c699acb45a76bb783c119380a9"
    )


def test_pictures_are_placed_whole_on_canvases_of_any_size(full):
    for canvas in (16, 48):
        pixels = situations(EmojiSettings(**SMALL, canvas=canvas)).render(np.arange(0, 400, 9))
        assert pixels.shape[1:] == (canvas, canvas, 3)
        assert (pixels.std(axis=(1, 2)).max(1) > 10).all()  # something is on each


def test_weights_of_a_picture_that_fills_the_canvas_are_those_of_means():
    exact = emoji_variants._weights(np.zeros(1), np.full(1, 16.0), 32, 16)[0]
    assert (exact == np.repeat(np.eye(16), 2, axis=1) * 128).all()
    placed = emoji_variants._weights(np.full(1, 3.3), np.full(1, 20.0), 32, 32)[0]
    assert placed.sum(1)[4:23].tolist() == [256.0] * 19  # inside
    assert (placed.sum(1)[[*range(3), *range(24, 32)]] == 0).all()


def test_the_digest_tells_data_apart(full):
    again = situations(EmojiSettings())
    assert again.digest == full.digest
    for changes in (SMALL, {"canvas": 16}, {"shares": [0.5]}, {"smallest": 0.4}, {"dimmest": 0.4}):
        assert situations(EmojiSettings(**changes)).digest != full.digest


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"pool": 275}, r"a share of women of 0.1 is no whole number of 275 samples of a verb \(pool\)"),
        ({"test": 45}, r"of 45 samples of a verb \(test\)"),
        ({"shares": [1.2]}, "shares are from 0 to 1"),
        ({"shares": []}, "at least 1 item"),
        ({"canvas": 8}, "greater than or equal to 16"),
        ({"size": 3}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, why):
    with pytest.raises(ValidationError, match=why):
        EmojiSettings(**settings)


def test_shares_may_be_all_or_nothing():
    extreme = situations(EmojiSettings(**SMALL, shares=[0.0, 1.0]))
    splits = extreme.splits(data(0))
    assert np.bincount(extreme.verb[splits.test], extreme.woman[splits.test]).tolist() == [0, 10] * 24


def test_women_are_counted_by_nouns(full):
    ids = full.splits(data(0)).test
    genders = Genders(DRAWN_LISTS, full.vocabulary)
    counted = genders.of(full.verb[ids], full.frames[ids])
    assert (counted == np.where(full.woman[ids], WOMAN, MAN)).all()
    assert genders.ratios(full.verb[ids], counted)["overall_ratio"].value == 0.5
