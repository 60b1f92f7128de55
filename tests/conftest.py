"""What every test shares: the toy plugin and the helpers of `tests/support` on the path, few threads."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes that tests start would each compile the program
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "toy_plugin" / "src")]

from support import toy  # noqa: E402


@pytest.fixture(scope="session")
def toy_metadata(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that, on the path, makes the toy plugin look installed."""
    return toy.declare(tmp_path_factory.mktemp("installed"), "biasloop-toy", "toy", "biasloop_toy:ToyDomain")


@pytest.fixture
def workplace(tmp_path: Path, toy_metadata: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory with the presets `toy` and `tiny` (images); the toy plugin is installed."""
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "toy.toml").write_text(toy.PRESET)
    (tmp_path / "presets" / "tiny.toml").write_text(toy.IMAGES_PRESET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(toy_metadata)
    for name in ("BIASLOOP_PRESETS", "BIASLOOP_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BIASLOOP_DATA", str(tmp_path / "data"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def cli(workplace: Path) -> Callable[..., Any]:
    """The program in this process, in the working place: `cli("loop", "-p", "toy")` gives typer's result."""
    from typer.testing import CliRunner

    from biasloop.cli.main import app

    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the preset `tiny` with every model kept."""
    from biasloop.config import presets
    from biasloop.config.validation import arms_of
    from biasloop.running.engine import Options, prepare, run

    place = tmp_path_factory.mktemp("tiny")
    (place / "tiny.toml").write_text(toy.IMAGES_PRESET)
    ((_, experiment),) = arms_of(presets.read(str(place / "tiny.toml")))
    options = Options(place / "data", device="cpu", threads=1, keep_models=True)
    return run(prepare(experiment, 0, options), place / "seed-0", options).directory


@pytest.fixture(scope="session")
def toy_study(tmp_path_factory: pytest.TempPathFactory, toy_metadata: Path) -> Path:
    """Finished toys that sample their labels: `loop.human` of 5 and 25, three seeds each; nobody may change them."""
    import biasloop

    place = tmp_path_factory.mktemp("study")
    (place / "toy.toml").write_text(toy.PRESET)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(toy_metadata)
        grid, seeds = {"loop.human": [5, 25]}, range(3)
        biasloop.run(place / "toy.toml", seeds=seeds, grid=grid, out=place / "out", domain__labels="bits")
    return place / "out"
