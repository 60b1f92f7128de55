"""How long the program takes to answer, as a whole process, against importing torch and doing nothing."""

import statistics
import subprocess
import sys
import time

import pytest

COMMANDS = {
    "--help": ["--help"],
    "--version": ["--version"],
    "presets": ["presets"],
    "plugins": ["plugins"],
    "runs": ["runs"],
    "bound": ["bound", "--n0", "50000", "--human", "1000", "--model", "4000", "--rounds", "89", "--json"],
    "bad preset": ["loop", "--preset", "nope"],
    "bad key": ["loop", "--preset", "quickstart", "--set", "loop.humn=1"],
    "to fetch": ["loop", "--preset", "quickstart", "--set", "domain.data=cifar10", "--set", "domain.imbalance.class=dog", "--data", "nowhere"],  # noqa: E501
}  # fmt: skip


def answer(arguments):
    return subprocess.run([sys.executable, "-m", "biasloop", *arguments], capture_output=True, check=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_startup(benchmark, name):
    benchmark.pedantic(answer, (COMMANDS[name],), rounds=5, warmup_rounds=1)


def median(call, repeats=11):
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    torch = median(lambda: subprocess.run([sys.executable, "-c", "import typer, torch"], check=True), 5)
    print(f"{'import typer, torch':>20}: {torch:.2f} s")
    for name, arguments in COMMANDS.items():
        took = median(lambda arguments=arguments: answer(arguments))
        print(f"{name:>20}: {took:.2f} s, {torch / took:.0f} x less")
