"""`docs/pipeline.sh` as a real process, on a small preset."""

import json
import os
import subprocess
import sys

import pytest
from support.language import tiny_gpt2
from support.toy import PROJECT

PRESET = """
summary = "a person's own corpus and network"

[domain]
name = "language"
data = "{data}"
test = 12
network = "{network}"
decoder = "beam"
beams = 2
new_tokens = 4

[loop]
start = 20
human = 2
model = 8
rounds = 2

[bound]
metric = "quotes.generated"
baseline = "quotes.reference"
train = "quotes.train"
"""


@pytest.fixture
def script(tmp_path):
    """A program `biasloop` that is this checkout's, and the script to run with it."""
    program = tmp_path / "biasloop"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m biasloop "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "BIASLOOP": str(program),
        "BIASLOOP_DATA": str(tmp_path / "data"),
        "OMP_NUM_THREADS": "1",
    }

    def run(*arguments):
        command = ["bash", str(PROJECT / "docs" / "pipeline.sh"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)

    return run


def test_the_pipeline_runs_and_runs_again(script, tmp_path):
    texts = [(f"Row {n} says", f" \u201cnumber {n}\u201d and more") for n in range(60)]
    rows = [{"prompt": prompt, "continuation": continuation} for prompt, continuation in texts]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    network = tiny_gpt2(tmp_path / "network", [a + b for a, b in texts])
    preset = tmp_path / "mine.toml"
    preset.write_text(PRESET.format(data=tmp_path / "mine.jsonl", network=network))
    for _ in range(2):
        done = script(str(preset), "out")
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in (tmp_path / "out" / "rounds.jsonl").read_text().splitlines()]
        assert [line["round"] for line in lines[:-1]] == [0, 1]
        assert lines[-1]["done"] is True
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["rounds"]
    assert metrics[1]["metrics"] == lines[1]["metrics"]
    assert len(json.loads((tmp_path / "out" / "bound.json").read_text())["rounds"]) == 2
    assert (tmp_path / "out" / "study.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((tmp_path / "out" / "verified.json").read_text())[0]["problems"] == []


def test_a_bad_preset_ends_it_with_its_exit_code(script):
    done = script("no-such-preset", "out")
    assert done.returncode == 2
    assert "there is no preset 'no-such-preset'" in done.stderr
