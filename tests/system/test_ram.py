"""How much memory a process has had at most."""

import gc
from pathlib import Path

import numpy as np

from biasloop.system import ram


def test_the_peak_holds_what_was_there_and_is_gone():
    gc.collect()  # what goes meanwhile would hide what comes
    ram.forget()
    before = ram.peak()
    np.ones(200_000_000, np.uint8).sum()
    assert before + 100_000_000 < ram.peak() < before + 400_000_000


def test_a_later_run_does_not_count_what_an_earlier_one_had():
    np.ones(80_000_000, np.uint8).sum()
    high = ram.peak()
    ram.forget()
    assert ram.peak() < high - 60_000_000


def test_where_the_system_tells_nothing_the_peak_is_that_of_the_whole_process(monkeypatch):
    monkeypatch.setattr(ram, "_STATUS", Path("nowhere"))
    monkeypatch.setattr(ram, "_REFERENCES", Path("nowhere/at/all"))
    ram.forget()
    assert ram.peak() > 1_000_000


def test_a_container_may_have_less_than_the_machine(monkeypatch, tmp_path):
    machine = ram.total()
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "limit").write_text("5000000\n")
    monkeypatch.setattr(ram, "_LIMITS", (tmp_path / "max",))
    assert ram.total() >= machine
    monkeypatch.setattr(ram, "_LIMITS", (tmp_path / "max", tmp_path / "limit", tmp_path / "none"))
    assert ram.total() == 5_000_000
