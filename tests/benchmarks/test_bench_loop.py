"""`benchmarks/bench_loop.py`: what it fits, and how it compares two trees."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import bench_loop


@pytest.mark.parametrize("section", bench_loop.SECTIONS)
def test_a_section_is_a_fit_of_so_many_items(section, tmp_path):
    fit, items = bench_loop.SECTIONS[section][1](True, tmp_path)
    assert fit() is not None
    assert items in {2, 8, 16}


@pytest.mark.parametrize(("fresh", "processes"), [(False, 2), (True, 6)])
def test_pairs_begin_with_either_tree_in_turn_and_a_ratio_is_of_a_pair(monkeypatch, tmp_path, fresh, processes):
    told, started = [], []

    class Tree:
        def __init__(self, checkout, folder, *, tiny):
            self.seconds = 2.0 if checkout == tmp_path else 1.0
            started.append(checkout)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def fit(self, section):
            told.append("before" if self.seconds == 2.0 else "ours")
            return {"items": 10, "processor": self.seconds, "wall": len(told) * self.seconds}

    monkeypatch.setattr(bench_loop, "Tree", Tree)
    result = bench_loop.compare(tmp_path, "vae", 3, fresh=fresh)
    assert told == ["ours", "before", "before", "ours", "ours", "before"]
    assert len(started) == processes
    assert result["processor"] == {"ours": 10.0, "before": 5.0, "ratio": 2.0, "least": 2.0, "most": 2.0}
    assert result["wall"]["least"] == pytest.approx(1.5)  # of the second pair: 4 seconds against 6
    assert result["wall"]["most"] == pytest.approx(4.0)
