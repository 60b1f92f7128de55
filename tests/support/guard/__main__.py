"""`python -m tests.support.guard`: a line for each experiment, and with `--arrays` one for each stored array."""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

from .digest import total_of
from .experiments import EXPERIMENTS, Experiment
from .running import TREE, preload, run


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m tests.support.guard", description=__doc__)
    words.add_argument("--only", nargs="+", metavar="NAME", help="these experiments; a beginning of names will do")
    words.add_argument("--heavy", action="store_true", help="also what takes as long as all others together")
    words.add_argument("--jobs", type=int, default=1, help="how many experiments at once")
    words.add_argument("--arrays", action="store_true", help="also a line for each stored array")
    words.add_argument("--out", type=Path, metavar="FILE", help="where to write, instead of to stdout")
    words.add_argument("--source", type=Path, default=TREE, metavar="TREE",
                       help="the folder with biasloop/, plugins/ and tests/toy_plugin/ that is run")  # fmt: skip
    given = words.parse_args()
    chosen = [item for item in EXPERIMENTS if _wanted(item, given.only, heavy=given.heavy)]
    preload(chosen)
    begun = last = time.monotonic()
    lines, failed = [], []
    for name, arrays in run(chosen, given.source.resolve(), given.jobs):
        lines += [f"{name} {total_of(arrays)}", *(f"{name} {line}" for line in arrays if given.arrays)]
        failed += [] if arrays else [name]
        now = time.monotonic()
        print(f"{name}: {len(arrays)} arrays, {now - last:.1f} s", file=sys.stderr, flush=True)
        last = now
    print(f"{len(chosen)} experiments in {last - begun:.0f} s", file=sys.stderr)
    text = "\n".join(lines) + "\n"
    if given.out is None:
        sys.stdout.write(text)
    else:
        given.out.write_text(text)
    if failed:
        raise SystemExit(f"failed: {' '.join(failed)}")


def _wanted(experiment: Experiment, only: list[str] | None, *, heavy: bool) -> bool:
    if only is None:
        return heavy or not experiment.heavy
    return experiment.name in only or (experiment.name.startswith(tuple(only)) and (heavy or not experiment.heavy))


if __name__ == "__main__":
    main()
