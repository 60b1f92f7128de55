"""A study of the toy that several tests report on."""

from pathlib import Path

import pytest
from support import studies, toy

from biasloop.report.html.content import Asked, gather
from biasloop.report.html.page import page
from biasloop.running.engine import Options
from biasloop.running.executors import InProcess


@pytest.fixture(scope="module")
def place(tmp_path_factory, toy_metadata):
    """A working directory in which the toy is installed, and `presets/toy.toml` lies."""
    folder = tmp_path_factory.mktemp("reported")
    (folder / "presets").mkdir()
    (folder / "presets" / "toy.toml").write_text(toy.PRESET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(toy_metadata)
        patch.delenv("BIASLOOP_PRESETS", raising=False)
        patch.setenv("BIASLOOP_DATA", str(folder / "data"))
        yield folder


@pytest.fixture(scope="module")
def study(place) -> Path:
    """Two arms of three seeds, whose labels are drawn: 5 or 25 human labels a round, beside 20 of a model."""
    from biasloop.config import presets
    from biasloop.config.validation import arms_of
    from biasloop.running import study as planning

    preset = presets.read("toy").override({("domain", "labels"): "bits", ("domain", "pool"): 500}, "--set")
    preset = preset.vary({"loop.human": [5, 25]}, "--grid")
    options = Options(place / "data")
    planned = planning.plan(arms_of(preset), [0, 1, 2], Path("runs", "toy"), options)
    InProcess().run(planned, options, studies.Recorder())
    return Path("runs", "toy")


@pytest.fixture(scope="module")
def report(study):
    """The content of the report on it."""
    return gather([study], Asked(Options(Path("data"))))


@pytest.fixture(scope="module")
def html(report) -> str:
    """Its page."""
    return page(report).decode()


@pytest.fixture(scope="session")
def before() -> Path:
    """Runs that earlier trees made, by domain."""
    return toy.TESTS / "runs_before"
