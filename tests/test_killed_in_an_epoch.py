"""A run killed in the middle of a fit's only epoch goes on from its last update, to the bits of an unbroken one."""

import os
import shutil
import signal
import traceback
from pathlib import Path

import h5py
import pytest
from support import small_generators

RUNS = Path(__file__).with_name("runs_before")
# Where a fit is killed: domain, part of the call's name, settings.
FITS = {
    "images": ("images", "fit", ["domain.epochs=1"]),
    "generator": ("generators", "generator", ["domain.generator_epochs=1"]),
    "generator of the second generation, with STAR": ("generators", "round-0001", ["domain.generator_epochs=1"]),
    "language": ("language", "fit", ["domain.epochs=1", "domain.batch_size=2"]),
}


def command(settings, out):
    said = ["loop", "-p", "preset.toml", "--out", out, "--threads", "1", "--device", "cpu", "--checkpoint", "0"]
    return [*said, *(word for setting in [*settings, "loop.rounds=2"] for word in ("--set", setting))]


def killed(words: list[str], part: str, updates: int) -> int:
    """The signal that ended a child that runs the program until so many updates of an epoch are kept."""
    child = os.fork()
    if child:
        return os.WTERMSIG(os.waitpid(child, 0)[1])
    try:
        from typer.testing import CliRunner

        from biasloop.cli.main import app
        from biasloop.feedback import work
        from biasloop.store.writer import RunWriter

        work.RARELY = 0
        put = RunWriter.put_partial

        def put_and_die(writer, key, arrays, logs):
            put(writer, key, arrays, logs)
            if part in key and "step" in arrays and arrays["step"][0] >= updates:
                os.kill(os.getpid(), signal.SIGKILL)

        RunWriter.put_partial = put_and_die
        print(CliRunner().invoke(app, words).output)
    except BaseException:
        traceback.print_exc()
    os._exit(9)


def contents(run: Path) -> dict[str, bytes]:
    """Every array of every file, but for how long things took."""
    arrays = {}
    for path in sorted(run.glob("*.h5")):
        with h5py.File(path) as file:

            def visit(name, item, path=path):
                if isinstance(item, h5py.Dataset) and "seconds" not in name:
                    arrays[f"{path.name}/{name}"] = item[()].tobytes()

            file.visititems(visit)
    return arrays


@pytest.mark.parametrize("kind", FITS)
def test_killed_in_the_middle_of_an_epoch(kind, workplace, cli, monkeypatch):
    domain, part, settings = FITS[kind]
    small_generators.put_in(monkeypatch.setattr)
    for item in (RUNS / domain).iterdir():
        if item.name not in ("finished", "stopped", "within", "unbroken", "within-classifier"):
            (shutil.copytree if item.is_dir() else shutil.copy)(item, workplace / item.name)
    assert killed(command(settings, "killed"), part, 2) == signal.SIGKILL
    run = workplace / "killed" / "seed-0"
    partial = [path for path in (run / "partial").glob("*.h5") if not path.name.endswith(".done.h5")]
    assert any(part in path.name for path in partial)
    resumed, unbroken = cli(*command(settings, "killed")), cli(*command(settings, "unbroken"))
    assert resumed.exit_code == unbroken.exit_code == 0, resumed.output + unbroken.output
    expected = contents(workplace / "unbroken" / "seed-0")
    assert expected
    assert contents(run) == expected
