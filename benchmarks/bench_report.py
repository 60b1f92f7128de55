"""Seconds and bytes of `biasloop report` over many runs, which are copies of a few stored ones under other seeds.

python benchmarks/bench_report.py --runs 10 100
python benchmarks/bench_report.py --source runs/quickstart --runs 18 100
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tomli
import tomli_w

from biasloop.store.entries import EXPERIMENT
from biasloop.store.files import sha256
from biasloop.store.finding import find_runs
from biasloop.store.manifest import NAME

MINI = "quickstart-mini"


def copied(source: Path, target: Path, seed: int) -> None:
    """A copy of a run that says that it has another seed; its rounds are those of the source."""
    shutil.copytree(source, target)
    identity = tomli.loads((target / EXPERIMENT).read_text())
    text = tomli_w.dumps(identity | {"seed": seed}).encode()
    (target / EXPERIMENT).write_bytes(text)
    manifest = json.loads((target / NAME).read_text())
    del manifest["sha256"]  # of what it said before; without it none is compared
    manifest["experiment"] = sha256(text)
    (target / NAME).write_text(json.dumps(manifest))


def many(sources: list[Path], count: int, folder: Path) -> None:
    """So many runs: seeds of each source in turn."""
    for number in range(count):
        arm, seed = number % len(sources), number // len(sources)
        copied(sources[arm], folder / f"arm-{arm}" / f"seed-{seed}", seed)


def reported(folder: Path, page: Path) -> tuple[float, float]:
    """Seconds of the whole command, start of the process included, and of a processor."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "biasloop", "report", str(folder), "--output", str(page), "--force"]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, used


def figures(page: Path) -> int:
    """Bytes of all figures of a page."""
    return sum(map(len, re.findall(r"<svg.*?</svg>", page.read_text(), re.DOTALL)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help=f"one run of each arm that is copied; default: {MINI}, made anew")
    parser.add_argument("--runs", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        source = asked.source
        if source is None:
            source = Path(place, "source")
            made = ["loop", "--preset", MINI, "--threads", "1", "--device", "cpu", "--output", str(source)]
            subprocess.run([sys.executable, "-m", "biasloop", *made], check=True, capture_output=True)
        sources = list({path.parent: path for path in reversed(find_runs(source))}.values())[::-1]
        for count in asked.runs:
            folder, page = Path(place, f"runs-{count}"), Path(place, f"report-{count}.html")
            many(sources, count, folder)
            seconds, processor = zip(*(reported(folder, page) for _ in range(asked.repeats)), strict=True)
            print(
                f"{count} runs of {len(sources)} arms: {statistics.median(seconds):.1f} s (median of "
                f"{asked.repeats}, {min(seconds):.1f} to {max(seconds):.1f}; {statistics.median(processor):.1f} s of a "
                f"processor), {page.stat().st_size / 1e6:.2f} MB, "
                f"figures {figures(page) / 1e3:.0f} kB; load {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    main()
