"""How long `biasloop runs list DIR --json` takes as a whole process, over 1,000 and 10,000 stored runs.

First without an index, as where it was deleted, then from it. The runs are stored ones with a set-up, three rounds and
a model, one of them made and the others copies of it under seeds and arms; every tenth is not finished. The program's
bytecode is there, as where it was installed or has run before. Run as a script, it prints the table;
`pytest benchmarks/bench_runs_list.py` times a hundred runs with pytest-benchmark.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from biasloop.store.claims import claimed
from biasloop.store.entries import EXPERIMENT
from biasloop.store.files import sha256
from biasloop.store.index import NAME
from biasloop.store.manifest import SETUP, Entry, Manifest, model_file, round_name

REPEATS = int(os.environ.get("REPEATS", "3"))
SEEDS = 10
MADE_WITH = {"biasloop": "0.1.0", "python": "3.11.7", "host": "node7", "device": "cpu", "threads": "1"}
SETTINGS = """seed = {seed}
compat = "fixed"

[domain]
name = "images"
data = "fashion-mnist-t10k"
network = "small-cnn"
width = 8
epochs = 30
batch_size = 50
learning_rate = 0.05

[loop]
rule = "accumulate"
start = {start}
human = 20
model = 80
keep = "subsample"
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
CONTENT = b"what a step holds"  # listing looks at sizes alone


def make(directory: Path, start: int, seed: int) -> None:
    """A stored run as a listing sees it."""
    directory.mkdir(parents=True)
    settings = SETTINGS.format(start=start, seed=seed).encode()
    (directory / EXPERIMENT).write_bytes(settings)
    manifest = Manifest(sha256(settings), {"name": "quickstart", "rounds": 3}, [MADE_WITH])
    if seed:
        manifest.about["finished"] = "3 rounds"
    entry = Entry("", len(CONTENT), sha256(CONTENT), 0.2, 0)
    for name in (SETUP, *map(round_name, range(3))):
        manifest.add(replace(entry, name=f"{name}.h5"))
    manifest.add(replace(entry, name=model_file(round_name(2)), seconds=None, environment=None))
    for name in manifest.files:
        (directory / name).write_bytes(CONTENT)
    with claimed(directory) as claim:
        manifest.write(directory, claim)


def make_all(folder: Path, runs: int) -> None:
    """A study of that many runs, ten seeds an arm."""
    for number in range(runs):
        start, seed = 100 + number // SEEDS, number % SEEDS
        make(folder / f"loop.start={start}" / f"seed-{seed}", start, seed)


def seconds(arguments: Sequence[str], directory: Path) -> tuple[float, float, int]:
    """Seconds and CPU seconds of a whole process that lists, and how many runs it listed."""
    command = [sys.executable, "-m", "biasloop", "runs", "list", *arguments, "--json"]
    before, begun = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    spent, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return spent, cpu, done.stdout.count('"run"')


def test_a_list_of_a_hundred_runs(benchmark, tmp_path):
    make_all(tmp_path / "runs", 100)
    assert benchmark.pedantic(seconds, (["runs"], tmp_path), rounds=1)[2] == 100


def main() -> None:
    """Print the table."""
    seconds([os.devnull], Path())
    print("| runs | index | seconds | CPU s |\n|---|---|---|---|")
    for runs in (0, 1_000, 10_000):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "runs"
            folder.mkdir()
            make_all(folder, runs)
            time.sleep(3)  # younger runs are not trusted to an index
            for index in (False, True):
                measured = []
                for _ in range(REPEATS):
                    if not index:
                        (folder / NAME).unlink(missing_ok=True)
                    measured.append(seconds(["runs"], Path(place)))
                listed = measured[0][2]
                assert listed == runs
                middle = [statistics.median(column) for column in zip(*measured, strict=True)]
                print(f"| {runs:,} | {'yes' if index else 'none'} | {middle[0]:.2f} | {middle[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
