import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from biasloop.contract.randomness import Streams

NAMES = st.lists(st.one_of(st.integers(0, 2**40), st.text(max_size=8)), max_size=4).map(tuple)


@given(NAMES, NAMES)
def test_a_stream_is_its_path(left, right):
    assert (Streams(left).key == Streams(right).key) == (left == right)
    assert Streams(left).at(*right).key == Streams(left + right).key


def test_names_of_different_type_are_different_streams():
    assert Streams((1,)).key != Streams(("1",)).key
    assert Streams(("a", "b")).key != Streams(("ab",)).key


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50, unique=True), st.data())
def test_a_draw_depends_on_the_id_alone(ids, data):
    ids = np.array(ids)
    streams = Streams((3, "label"))
    some = np.array(data.draw(st.permutations(range(len(ids)))))[: max(1, len(ids) // 2)]
    assert np.array_equal(streams.uniform(ids, 3)[some], streams.uniform(ids[some], 3))
    assert np.array_equal(np.sort(streams.order(ids)), np.sort(ids))
    thinned = [i for i in streams.order(ids).tolist() if i in set(ids[some].tolist())]
    assert streams.order(ids[some]).tolist() == thinned


def test_draws_are_uniform_and_uncorrelated():
    ids = np.arange(200_000)
    draws = Streams((0, "a")).uniform(ids, 2)
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.histogram(draws[:, 0], 100, (0, 1))[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 170  # chi-squared with 99 degrees of freedom: p > 1e-5
    other = Streams((1, "a")).uniform(ids)[:, 0]
    for left, right in ((draws[:, 0], draws[:, 1]), (draws[:-1, 0], draws[1:, 0]), (draws[:, 0], other)):
        assert abs(np.corrcoef(left, right)[0, 1]) < 5 / np.sqrt(len(ids))


def test_orders_are_uniform():
    first = [Streams((seed, "order")).order(np.arange(5))[0] for seed in range(5000)]
    assert ((np.bincount(first, minlength=5) - 1000) ** 2 / 1000).sum() < 25


def test_values_never_change():
    """Stored runs are resumed with these: a change of the derivation is a change of the format."""
    streams = Streams((0, "run", "pool"))
    assert streams.order(np.arange(10)).tolist() == ORDER
    assert streams.uniform(np.arange(3))[:, 0].tolist() == UNIFORM
    assert streams.generator().integers(0, 1000, 4).tolist() == GENERATOR


ORDER = [2, 8, 4, 7, 9, 1, 5, 3, 6, 0]
UNIFORM = [0.7907941913329952, 0.4567306561242984, 0.014711523621212752]
GENERATOR = [457, 873, 762, 900]
