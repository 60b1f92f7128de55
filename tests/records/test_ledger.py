import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.data import Column, Frame
from biasloop.records.ledger import HUMAN, GrowingLedger, Ledger


def entry(ids, origin, since):
    return Ledger.entry(np.array(ids), origin, since, Frame({"target": Column(np.array(ids) % 3)}))


def test_growing_keeps_order_counts_and_provenance():
    ledger = GrowingLedger()
    for part in (entry([5, 3], HUMAN, 0), entry([9], HUMAN, 1), entry([7, 1], 0, 1)):
        ledger.append(part)
    rows = ledger.all()
    assert rows.ids.tolist() == [5, 3, 9, 7, 1]
    assert rows.origin.tolist() == [HUMAN, HUMAN, HUMAN, 0, 0]
    assert rows.since.tolist() == [0, 0, 1, 1, 1]
    assert (ledger.size, ledger.human) == (5, 3)
    assert ledger.last().ids.tolist() == [9, 7, 1]
    assert rows.samples().synthetic.tolist() == [False, False, False, True, True]
    assert rows.samples().labels["target"].tolist() == [2, 0, 0, 1, 1]


def test_a_row_needs_everything():
    with pytest.raises(ValueError, match="one origin"):
        Ledger(np.arange(2), np.zeros(1, np.int32), np.zeros(2, np.int32), Frame({"t": Column(np.zeros(2))}))


# --- columns that a part may lack


def of_part(rows, weight, propensity, keys):
    """A ledger of these rows, `(id, weight, propensity, shard, member)` each, with some of the columns."""
    columns = {"shard": [row[3] for row in rows], "member": [row[4] for row in rows]}
    ids = np.array([row[0] for row in rows], np.int64)
    return Ledger.entry(
        ids, HUMAN, 0, Frame({"target": Column(ids)}),
        weight=np.array([row[1] for row in rows], float) if weight else None,
        propensity=np.array([row[2] for row in rows], float) if propensity else None,
        inputs=Frame({name: Column(np.array(columns[name], np.int64), vocabulary=f"{name}s") for name in keys}),
    )  # fmt: skip


def plain_rows(ledger):
    """The same as a list of tuples, with what a part without a column means."""
    rows = []
    for row in range(len(ledger)):
        keys = [int(ledger.inputs[k][row]) if k in ledger.inputs else -1 for k in ("shard", "member")]
        weight = 1.0 if ledger.weight is None else float(ledger.weight[row])
        drawn = None if ledger.propensity is None or np.isnan(ledger.propensity[row]) else ledger.propensity[row]
        rows.append((int(ledger.ids[row]), weight, drawn, *keys))
    return rows


ROWS = st.lists(
    st.tuples(
        st.integers(0, 99), st.floats(0, 9), st.floats(0, 1) | st.just(float("nan")), st.integers(-1, 3),
        st.integers(-1, 3),
    ),
    max_size=4,
)  # fmt: skip
PARTS = st.lists(
    st.builds(of_part, ROWS, st.booleans(), st.booleans(), st.sets(st.sampled_from(["shard", "member"]))),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(PARTS, st.randoms(use_true_random=False))
def test_joined_and_taken_rows_are_those_of_a_plain_reference(parts, random):
    ledger = Ledger.join(parts)
    expected = [row for part in parts for row in plain_rows(part)]
    assert plain_rows(ledger) == expected
    for name in ("weight", "propensity"):
        assert (getattr(ledger, name) is None) == all(getattr(part, name) is None for part in parts)
    assert ledger.inputs.columns.keys() == {name for part in parts for name in part.inputs.columns}
    rows = [random.randrange(len(ledger)) for _ in range(5)] if len(ledger) else []
    taken = ledger.take(np.array(rows, np.int64))
    assert plain_rows(taken) == [expected[row] for row in rows]
    samples = taken.samples()
    assert samples.synthetic.tolist() == [max(expected[row][3:]) >= 0 for row in rows]
    assert samples.weights is taken.weight
    assert samples.propensities is taken.propensity
    assert samples.inputs is taken.inputs


def test_keys_of_different_meaning_are_not_joined():
    labels, keys = Frame({"t": Column(np.arange(1))}), np.arange(1)
    shards = [
        Ledger.entry(keys, 0, 0, labels, inputs=Frame({"shard": Column(keys, vocabulary=name)})) for name in ("a", "b")
    ]
    with pytest.raises(ValueError, match="differ in what their columns mean"):
        Ledger.join(shards)


NONE = np.zeros(2, np.int64)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"weight": np.array([1.0, -1e-9])}, "finite number, 0 or more"),
        ({"weight": np.array([1.0, np.nan])}, "finite number"),
        ({"weight": np.array([1.0, np.inf])}, "finite number"),
        ({"weight": np.ones(2, np.float32)}, "a float64 a row, not float32"),
        ({"weight": np.ones(3)}, r"not float64 of shape \(3,\)"),
        ({"propensity": np.array([0.5, 1.5])}, "from 0 to 1, or NaN"),
        ({"propensity": np.array([0.5, -0.5])}, "from 0 to 1"),
        ({"propensity": np.ones((2, 1))}, r"shape \(2, 1\)"),
        ({"inputs": Frame({"shard": Column(NONE.astype(np.int32))})}, "'shard' is an int64 a row, not int32"),
        ({"inputs": Frame({"shard": Column(np.zeros((2, 3), np.int64))})}, r"shape \(2, 3\)"),
        ({"inputs": Frame({"shard": Column(np.zeros(3, np.int64))})}, r"shape \(3,\)"),
        ({"inputs": Frame({"shard": Column(NONE - 2)})}, "a key from 0, or -1"),
        ({"inputs": Frame({"shard": Column(NONE, np.array([0, 1, 2]))})}, "an int64 a row"),
    ],
)
def test_columns_that_hold_what_they_cannot_are_refused(columns, reason):
    with pytest.raises(ValueError, match=reason):
        Ledger.entry(np.arange(2), 0, 0, Frame({"t": Column(np.zeros(2))}), **columns)
