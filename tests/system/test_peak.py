"""How much memory a process has had at most."""

from pathlib import Path

import numpy as np

from biasloop.system import peak


def test_the_peak_holds_what_was_there_and_is_gone():
    peak.forget()
    before = peak.bytes_at_most()
    np.ones(40_000_000, np.uint8).sum()
    assert before + 30_000_000 < peak.bytes_at_most() < before + 200_000_000


def test_a_later_run_does_not_count_what_an_earlier_one_had():
    np.ones(80_000_000, np.uint8).sum()
    high = peak.bytes_at_most()
    peak.forget()
    assert peak.bytes_at_most() < high - 60_000_000


def test_where_the_system_tells_nothing_the_peak_is_that_of_the_whole_process(monkeypatch):
    monkeypatch.setattr(peak, "_STATUS", Path("nowhere"))
    monkeypatch.setattr(peak, "_REFERENCES", Path("nowhere/at/all"))
    peak.forget()
    assert peak.bytes_at_most() > 1_000_000
