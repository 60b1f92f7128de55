"""Many short runs two at a time against one after another, as whole processes: time, and whether the stores are equal.

python benchmarks/bench_jobs.py --preset quickstart-mini --runs 40 --pairs 3
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.store.manifest import NAME, read_manifest


def seeds(preset: str, runs: int) -> int:
    """How many seeds of all arms of a preset make so many runs, or just more."""
    return -(-runs // len(arms_of(presets.read(preset))))


def study(preset: str, seeds: int, jobs: int, out: Path) -> float:
    """Seconds that a study takes."""
    command = [sys.executable, "-m", "biasloop", "loop", "--preset", preset, "--seeds", f"0-{seeds - 1}"]
    begun = time.perf_counter()
    subprocess.run(
        [*command, "--threads", "1", "--device", "cpu", "--jobs", str(jobs), "--output", str(out)],
        check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return time.perf_counter() - begun


def stored(out: Path) -> dict[str, str]:
    """The digest of every stored file of arrays."""
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in out.rglob("*.h5")}


def beside_rounds(out: Path, seconds: float) -> float:
    """What a run takes beside its rounds and set-up, of so many seconds that all took."""
    manifests = [read_manifest(path.parent) for path in out.rglob(NAME)]
    made = sum(entry.seconds or 0.0 for manifest in manifests for entry in manifest.files.values())
    return (seconds - made) / len(manifests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="quickstart-mini")
    parser.add_argument("--runs", type=int, default=40, help="at least; all arms have the same seeds")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    number, ratios, over, before = seeds(asked.preset, asked.runs), [], [], os.getloadavg()[0]
    for _ in range(asked.pairs):
        with tempfile.TemporaryDirectory() as folder:
            alone, together = Path(folder, "alone"), Path(folder, "together")
            after, beside = (study(asked.preset, number, n, out) for n, out in ((1, alone), (asked.jobs, together)))
            assert stored(alone) == stored(together)
            ratios.append(beside / after)
            over.append((beside_rounds(alone, after), beside_rounds(together, asked.jobs * beside)))
            runs = len(list(alone.rglob(NAME)))
            print(f"{runs} runs: {after:.1f} s, {asked.jobs} at a time {beside:.1f} s, {ratios[-1]:.0%}", flush=True)
    alone_over, together_over = (statistics.median(column) for column in zip(*over, strict=True))
    print(f"median {statistics.median(ratios):.0%} (goal: at most 60 %), stores equal to the bit; load {before:.1f}")
    print(f"beside its rounds a run takes {alone_over:.2f} s one after another, {together_over:.2f} s with --jobs")


if __name__ == "__main__":
    main()
