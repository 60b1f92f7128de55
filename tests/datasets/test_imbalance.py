"""One class is made more frequent, with the counts that were published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.contract.randomness import Streams
from biasloop.datasets.imbalance import class_id, resample
from biasloop.errors import InvalidInput

CIFAR = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STREAMS = Streams((0, "data", "imbalance"))
TWENTY_EACH = np.random.default_rng(1).permutation(np.repeat(np.arange(10), 20))


def counts(labels, kept):
    return np.bincount(labels[kept], minlength=10).tolist()


@pytest.mark.parametrize(
    ("name", "factor", "of_chosen", "of_others"), [("dog", 9, 18, 2), ("ship", 2, 20, 10), ("cat", 1, 20, 20)]
)
def test_published_counts(name, factor, of_chosen, of_others):
    """Twenty images a class, as the released code of Taori & Hashimoto resampled them."""
    chosen = CIFAR.index(name)
    found = counts(TWENTY_EACH, resample(TWENTY_EACH, CIFAR, chosen, factor, STREAMS))
    assert found == [of_chosen if label == chosen else of_others for label in range(10)]


def test_factor_one_cuts_to_the_smallest_class():
    labels = np.repeat(np.arange(10), [9, 5, 7, 8, 6, 20, 11, 12, 5, 30])
    assert counts(labels, resample(labels, CIFAR, 5, 1, STREAMS)) == [5] * 10


def test_a_class_with_fewer_is_used_whole():
    labels = np.repeat(np.arange(10), [30] * 5 + [100] + [30] * 3 + [4])
    assert counts(labels, resample(labels, CIFAR, 5, 9, STREAMS)) == [11] * 5 + [99] + [11] * 3 + [4]


@given(st.lists(st.integers(1, 40), min_size=10, max_size=10), st.integers(0, 9), st.integers(1, 12))
def test_counts_follow_the_rule(sizes, chosen, factor):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), sizes))
    size = sizes[chosen]
    if factor > size:
        with pytest.raises(InvalidInput, match=f"at most {size}$"):
            resample(labels, CIFAR, chosen, factor, STREAMS)
        return
    kept = resample(labels, CIFAR, chosen, factor, STREAMS)
    assert (np.diff(kept) > 0).all()
    expected = [min(size // factor, other) for other in sizes]
    expected[chosen] = size - size % factor
    assert counts(labels, kept) == ([min(sizes)] * 10 if factor == 1 else expected)


def test_larger_factor_keeps_a_subset_of_the_other_classes():
    few = resample(TWENTY_EACH, CIFAR, 5, 5, STREAMS)
    many = resample(TWENTY_EACH, CIFAR, 5, 2, STREAMS)
    assert set(few[TWENTY_EACH[few] != 5]) < set(many)


def test_stream_decides_which_images():
    first = resample(TWENTY_EACH, CIFAR, 5, 9, STREAMS)
    np.testing.assert_array_equal(first, resample(TWENTY_EACH, CIFAR, 5, 9, STREAMS))
    assert set(first) != set(resample(TWENTY_EACH, CIFAR, 5, 9, STREAMS.at("other")))


def test_unknown_class_says_the_nearest():
    assert class_id("dog", CIFAR, "cifar5m") == 5
    with pytest.raises(InvalidInput, match=r"'shp', which cifar5m does not have; did you mean 'ship'\?"):
        class_id("shp", CIFAR, "cifar5m")
    with pytest.raises(InvalidInput, match="it has plane, car, bird"):
        class_id("xyz", CIFAR, "cifar5m")


def test_a_class_without_images_is_named():
    labels = TWENTY_EACH[TWENTY_EACH != 3]
    with pytest.raises(InvalidInput, match="'cat' has no image"):
        resample(labels, CIFAR, 5, 9, STREAMS)
    with pytest.raises(InvalidInput, match="'cat' has no image"):
        resample(labels, CIFAR, 3, 9, STREAMS)


def test_too_large_a_factor_says_the_largest():
    with pytest.raises(InvalidInput, match=r"factor 21 leaves no image .* 'dog' has only 20; .* at most 20"):
        resample(TWENTY_EACH, CIFAR, 5, 21, STREAMS)
