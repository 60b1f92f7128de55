"""Rows as inputs: what is learnt of a training set, and what becomes of what it lacks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biasloop_tabular.encoding import MEANS, SCALES, SEEN, Table
from biasloop_tabular.rows import Categorical, Numeric

NAN = float("nan")
FEATURES = [
    Numeric("age", np.array([1.0, 3.0, NAN, 100.0])),
    Categorical("job", np.array([0, 1, -1, 2]), ("a", "b", "c")),
    Numeric("full", np.array([5.0, 5.0, 5.0, 7.0])),
    Categorical("same", np.array([0, 0, 0, 0]), ("x",)),
]


def test_inputs_are_what_the_training_set_says():
    table = Table.of(FEATURES)
    # missing age is two categories, jobs are three and a missing one; a column of one word says nothing
    assert table.slots.tolist() == [[0, 2], [0, 3], [1, 5], [0, 4]]
    learnt = table.learnt(np.array([0, 1, 2]), np.ones(3))
    assert learnt[MEANS].tolist() == [2.0, 5.0]
    assert learnt[SCALES].tolist() == [1.0, 1.0]  # a constant is divided by 1
    assert learnt[SEEN].tolist() == [True, True, True, True, False, True]
    inputs = table.encoded(np.array([2, 3]), learnt)
    assert inputs.numbers.tolist() == [[0.0, 0.0], [98.0, 2.0]]  # missing: the mean
    assert inputs.onehot.tolist() == [[0, 1, 0, 0, 1], [1, 0, 0, 0, 0]]  # job c was not in the training set
    assert inputs.column.tolist() == [0, 0, 1, 1, 1]


def test_weights_are_copies_of_rows():
    table = Table.of(FEATURES)
    weighted = table.learnt(np.array([0, 1, 3]), np.array([1.0, 2.0, 1.0]))
    copied = table.learnt(np.array([0, 1, 1, 3]), np.ones(4))
    for name, values in weighted.items():
        assert np.allclose(values, copied[name]), name


@given(arrays(np.float64, st.tuples(st.integers(2, 30)), elements=st.floats(-1e6, 1e6)))
def test_numbers_of_the_training_set_have_mean_0_and_spread_1_or_are_constant(values):
    table = Table.of([Numeric("a", values)])
    ids = np.arange(len(values))
    scaled = table.encoded(ids, table.learnt(ids, np.ones(len(ids)))).numbers[:, 0]
    assert np.all(np.isfinite(scaled))
    assert abs(scaled.mean()) < 1e-6
    assert abs(scaled.std() - 1) < 1e-6 or np.ptp(scaled) <= 1e-5 * max(1.0, np.abs(values).max())
