"""What a plan of many runs costs, as the whole command `biasloop loop ... --dry-run --json`, in seconds of CPU.

Ten thousand runs that differ in seed; in [loop]; a thousand that differ in settings of [domain] that their data do not
depend on; a thousand whose data differ as well, each of which is read. Run as a script, it prints the table;
`pytest benchmarks/bench_planning.py` times smaller plans with pytest-benchmark.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPEATS = int(os.environ.get("REPEATS", "3"))
SEEDS = ("--seeds", "0-9999")
LOOP = (
    "--grid", f"loop.human={','.join(map(str, range(1, 101)))}",
    "--grid", f"loop.per_round={','.join(map(str, range(101, 201)))}",
)  # fmt: skip
DOMAIN = ("--grid", f"domain.batch_size={','.join(map(str, range(1, 1001)))}")
DATA = ("--grid", f"domain.test={','.join(map(str, range(1, 1001)))}")
LANGUAGE = ("-p", "quickstart-language", "--set", 'domain.decoder="beam"')
IMAGES = ("-p", "quickstart")
PLANS = {
    "images, one run": (*IMAGES, "--set", "loop.human=20"),
    "images, 10,000 seeds": (*IMAGES, "--set", "loop.human=20", *SEEDS),
    "images, 10,000 of [loop]": (*IMAGES, *LOOP),
    "images, 1,000 of [domain]": (*IMAGES, "--set", "loop.human=20", *DOMAIN),
    "images, 1,000 of other data": (*IMAGES, "--set", "loop.human=20", *DATA),
    "language, one run": LANGUAGE,
    "language, 10,000 seeds": (*LANGUAGE, *SEEDS),
    "language, 10,000 of [loop]": (
        *LANGUAGE, "--set", "loop.start=500",
        "--grid", LOOP[1], "--grid", f"loop.model={','.join(map(str, range(101, 201)))}",
    ),
    "language, 1,000 of [domain]": (*LANGUAGE, *DOMAIN),
    "language, 1,000 of other data": (*LANGUAGE, *DATA),
}  # fmt: skip


def seconds(arguments: Sequence[str], directory: Path) -> tuple[float, int]:
    """CPU seconds of a whole process that plans, and how many runs it planned."""
    command = [sys.executable, "-m", "biasloop", "loop", *arguments, "--dry-run", "--json"]
    before = os.times()
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[:300]}\n{done.stderr[-2000:]}")
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    return spent, done.stdout.count('"run"')


def test_a_plan_of_a_hundred_runs(benchmark, tmp_path):
    arguments = (*IMAGES, "--set", "loop.human=20", "--seeds", "0-99")
    assert benchmark.pedantic(seconds, (arguments, tmp_path), rounds=1)[1] == 100


def main() -> None:
    """Print the table of all plans, or of those whose names begin as the arguments say."""
    wanted = sys.argv[1:]
    print("| plan | runs | CPU s |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for name, arguments in PLANS.items():
            if not wanted or any(name.startswith(each) for each in wanted):
                measured = [seconds(arguments, Path(place)) for _ in range(REPEATS)]
                runs = measured[0][1]
                print(f"| {name} | {runs:,} | {statistics.median(cpu for cpu, _ in measured):.2f} |", flush=True)


if __name__ == "__main__":
    main()
