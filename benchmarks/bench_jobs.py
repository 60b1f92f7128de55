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


def study(preset: str, runs: int, jobs: int, out: Path) -> float:
    """Seconds that a study takes."""
    command = [sys.executable, "-m", "biasloop", "loop", "--preset", preset, "--seeds", f"0-{runs - 1}"]
    begun = time.perf_counter()
    subprocess.run(
        [*command, "--threads", "1", "--device", "cpu", "--jobs", str(jobs), "--out", str(out)],
        check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return time.perf_counter() - begun


def stored(out: Path) -> dict[str, str]:
    """The digest of every stored file of arrays."""
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in out.rglob("*.h5")}


def made(out: Path) -> float:
    """Seconds that rounds and set-ups of all runs took, as the runs say."""
    from biasloop.store.manifest import read_manifest

    manifests = [read_manifest(path.parent) for path in out.rglob("manifest.json")]
    return sum(entry.seconds or 0.0 for manifest in manifests for entry in manifest.files.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="quickstart-mini")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    ratios, over, before = [], [], os.getloadavg()[0]
    for _ in range(asked.pairs):
        with tempfile.TemporaryDirectory() as folder:
            alone, together = Path(folder, "alone"), Path(folder, "together")
            after, beside = (study(asked.preset, asked.runs, n, out) for n, out in ((1, alone), (asked.jobs, together)))
            assert stored(alone) == stored(together)
            ratios.append(beside / after)
            over.append(((after - made(alone)) / asked.runs, (asked.jobs * beside - made(together)) / asked.runs))
            print(f"one after another {after:.1f} s, {asked.jobs} at a time {beside:.1f} s: {ratios[-1]:.0%}")
    alone_over, together_over = (statistics.median(column) for column in zip(*over, strict=True))
    print(f"median {statistics.median(ratios):.0%} (goal: at most 60 %), stores equal to the bit; load {before:.1f}")
    print(f"beside its rounds a run takes {alone_over:.2f} s one after another, {together_over:.2f} s with --jobs")


if __name__ == "__main__":
    main()
