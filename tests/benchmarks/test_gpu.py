"""`benchmarks/gpu.py` on a CPU, as small as shows that every section works."""

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import gpu


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("section", gpu.SECTIONS)
def test_a_section_compares_ours_with_references_and_says_so_in_json(section, tmp_path):
    path = tmp_path / "figures.json"
    gpu.main([section, "--device", "cpu", "--tiny", "--json", str(path)])
    written = json.loads(path.read_text())
    assert (written["device"], written["torch"], written["tiny"]) == ("CPU", torch.__version__, True)
    assert written[section]["cases"]
    for case in written[section]["cases"]:
        assert case["busy"] is None
        assert case["ours"] > 0
        assert case["sizes"]
        assert case["references"]
        for told in case["references"].values():
            assert 0 < told["least"] <= told["ratio"] <= told["most"]
            assert told["ratio"] == pytest.approx(case["ours"] / told["rate"])


def test_kernels_that_overlap_count_once_and_what_is_no_kernel_does_not_count():
    events = [
        {"cat": "kernel", "ts": 10, "dur": 10},
        {"cat": "kernel", "ts": 15, "dur": 10},
        {"cat": "kernel", "ts": 16, "dur": 1},
        {"cat": "kernel", "ts": 40, "dur": 5},
        {"cat": "gpu_user_annotation", "ts": 0, "dur": 100},
        {"ph": "M", "name": "process_name"},
    ]
    assert gpu.computing_seconds(events) == pytest.approx(20e-6)


def test_turns_alternate_and_ratios_are_of_a_turn(tmp_path):
    told = []

    def way(name, rates):
        def rate():
            told.append(name)
            return rates.pop(0)

        return rate

    ours, theirs = way("ours", [10.0, 30.0, 20.0]), way("theirs", [5.0, 10.0, 20.0])
    case = gpu.Case("case", "items", {}, ours, {"theirs": theirs}, 3, warm=False)
    figures = gpu.measured(case, gpu.Setting(torch.device("cpu"), False, tmp_path))
    assert told == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert figures.ours == 20.0
    assert figures.references["theirs"] == {"rate": 10.0, "ratio": 2.0, "least": 1.0, "most": 3.0}


def test_an_unknown_section_is_refused(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["figure9"])
    assert "no section is called figure9" in capsys.readouterr().err
