import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.contract.data import Column, Frame

ROWS = st.lists(st.text(max_size=6), max_size=20)


@given(ROWS, ROWS, st.data())
def test_text_columns_behave_like_lists(left, right, data):
    a, b = Frame({"t": Column.text(left)}), Frame({"t": Column.text(right)})
    assert a.columns["t"].strings() == left
    assert Frame.join([a, b]).columns["t"].strings() == left + right
    rows = data.draw(st.lists(st.integers(0, len(left) - 1), max_size=10)) if left else []
    assert a.take(np.array(rows, np.int64)).columns["t"].strings() == [left[i] for i in rows]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(left), max_size=len(left))), np.bool_)
    assert a.take(mask).columns["t"].strings() == [row for row, kept in zip(left, mask, strict=True) if kept]


def test_frames_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="differ in length"):
        Frame({"a": Column(np.zeros(2)), "b": Column(np.zeros(3))})
    with pytest.raises(ValueError, match="differ in columns"):
        Frame.join([Frame({"a": Column(np.zeros(2))}), Frame({"b": Column(np.zeros(2))})])
    with pytest.raises(ValueError, match="role"):
        Column(np.zeros(2), role="guess")
    with pytest.raises(ValueError, match="ragged"):
        Column(np.zeros(2), np.array([0, 3]))


def test_plus_keeps_the_rows_side_by_side():
    both = Frame({"a": Column(np.arange(3))}).plus(Frame({"b": Column(np.arange(3, 6), role="prediction")}))
    assert both["a"].tolist() == [0, 1, 2]
    assert both.columns["b"].role == "prediction"
    assert len(both) == 3
    assert "c" not in both
