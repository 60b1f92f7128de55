"""Plugins that look installed: metadata folders on the path, seen by this process and by real ones."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).parents[1]
PROJECT = TESTS.parent
TOY_SOURCE = TESTS / "toy_plugin" / "src"

PRESET = """
summary = "A toy whose bias attains its bound"
source = "made up"
seeds = "0-2"

[domain]
name = "toy"

[loop]
start = 100
human = 5
model = 20
rounds = 4

[bound]
metric = "share_predicted"
baseline = "share_target"
train = "share_train"

[mini]
loop = { rounds = 2 }
"""

IMAGES_PRESET = """
summary = "The smallest loop over pictures"

[domain]
name = "images"
data = "fashion-mnist-t10k"
network = "small-cnn"
width = 4
epochs = 1
test = 60
batch_size = 20
imbalance = { class = "shirt", factor = 9 }

[loop]
start = 60
human = 10
model = 10
rounds = 2

[bound]
metric = "share_predicted"
baseline = "share_target"
train = "share_train"
"""


def declare(place: Path, distribution: str, name: str, target: str, group: str = "biasloop.domains") -> Path:
    """Write the metadata of a distribution that declares one domain; `place` has to come onto the path.

    Args:
        place: a directory, made if need be.
        distribution: the distribution's name, for example `biasloop-toy`.
        name: the domain's name.
        target: `module:Class`.
        group: of the entry point.

    Returns:
        The place.
    """
    folder = place / f"{distribution.replace('-', '_')}-0.1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1.0\n")
    (folder / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
    return place


def environment(paths: Sequence[Path] = (), extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a real process that finds the toy plugin's source and more paths."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BIASLOOP_")}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        kept.pop(name, None)
    path = os.pathsep.join(str(place) for place in [*paths, TOY_SOURCE])
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **(extra or {})}


def command(*arguments: str) -> list[str]:
    """The program as a process that needs no script on the path."""
    return [sys.executable, "-m", "biasloop", *arguments]


def biasloop(
    *arguments: str, cwd: Path, paths: Sequence[Path] = (), extra: Mapping[str, str] | None = None, timeout: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run the program for real, its output piped."""
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(paths, extra), capture_output=True, text=True,
        timeout=timeout, check=False,
    )  # fmt: skip
