"""What runs were made with: counted over runs and rounds, and without the names of machines."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from biasloop.report.html.made_with import run_lines, segments
from biasloop.report.html.plain import plain


def run(name: str, *steps: tuple[dict[str, str], float | None], about=()):
    """A run whose set-up and rounds were made with these environments, in so many seconds each."""
    names = ["setup", *(f"round-{number:04d}" for number in range(len(steps) - 1))]
    environments = [environment for environment, _ in steps]
    files = {
        f"{step}.h5": SimpleNamespace(environment=number, seconds=seconds)
        for number, (step, (_, seconds)) in enumerate(zip(names, steps, strict=True))
    }
    manifest = SimpleNamespace(
        environments=environments, files=files, steps=lambda: names, about={"rounds": 4, **dict(about)}
    )
    return SimpleNamespace(directory=Path(name), manifest=manifest, rounds=range(len(steps) - 1), identity={"seed": 3})


OLD = {"host": "elm.lab.example", "torch": "2.4", "python": "3.11", "device": "cpu"}
OTHER_HOST, NEW = OLD | {"host": "oak.lab.example"}, OLD | {"torch": "2.5", "host": "oak.lab.example"}


def test_machines_are_counted_and_never_named():
    runs = [run("a", (OLD, 1.0), (OLD, 2.0), (OTHER_HOST, 3.0)), run("b", (NEW, 1.0), (NEW, 1.0), (OLD, 1.0))]
    first, second = segments(runs)
    assert (first.runs, first.rounds, first.machines) == (2, 3, 2)
    assert (second.runs, second.rounds, second.machines) == (1, 1, 1)
    assert list(first.environment.items()) == [("python", "3.11"), ("torch", "2.4"), ("device", "cpu")]
    assert "lab.example" not in str(plain([first, second]))


def test_rounds_of_one_setting_are_one_segment_wherever_they_were_made():
    runs = [run("a", (OLD, 1.0), (OTHER_HOST, 2.0)), run("b", (OLD, None), (NEW, 4.0))]
    lines = run_lines(runs, {"a": "plain"})
    assert [(line.path, line.arm, line.seed, line.rounds, line.planned) for line in lines] == [
        ("a", "plain", 3, 1, 4), ("b", "", 3, 1, 4),
    ]  # fmt: skip
    assert [(line.segments, line.seconds) for line in lines] == [(1, 3.0), (2, 4.0)]


@pytest.mark.parametrize(
    ("about", "state"),
    [
        ({"finished": "4 rounds"}, ("finished", "4 rounds")),
        ({"failed": "no memory"}, ("failed", "no memory")),
        ({"finished": "4 rounds", "failed": "once"}, ("finished", "4 rounds")),
        ({}, ("stopped", "")),
    ],
)
def test_a_run_has_finished_failed_or_was_stopped(tmp_path, about, state):
    (line,) = run_lines([run(str(tmp_path), (OLD, 1.0), about=about)], {})
    assert (line.state, line.reason) == state
