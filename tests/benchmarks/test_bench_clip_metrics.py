"""`benchmarks/bench_clip_metrics.py`: ours and the references agree, as small as shows that every section works."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import bench_clip_metrics


@pytest.mark.parametrize("section", ["coco", "retrieval", "self-similarity"])
def test_a_section_compares_ours_with_the_published_procedure(section, capsys):
    ratios = bench_clip_metrics.main([section, "--quick"])
    assert [*ratios] == [section]
    assert ratios[section] > (100 if section != "retrieval" else 0)
    assert "times as fast" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("section", ["preference", "encoding"])
def test_so_do_those_that_take_longer(section):
    assert bench_clip_metrics.main([section, "--quick", "--repeats", "1"])[section] > 0.5
