import numpy as np
import pytest

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
