"""A study of the toy that several tests report on."""

from pathlib import Path

import pytest
from support import studies, toy

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.report.html import drawing
from biasloop.report.html.content import Asked, Report, gather
from biasloop.report.html.page import page
from biasloop.running import study as planning
from biasloop.running.engine import Options
from biasloop.running.executors import InProcess

STUDY = Path("runs", "toy")


def inside(patch: pytest.MonkeyPatch, folder: Path, metadata: Path) -> None:
    """Work in a folder in which the toy is installed."""
    patch.chdir(folder)
    patch.syspath_prepend(metadata)
    patch.delenv("BIASLOOP_PRESETS", raising=False)
    patch.setenv("BIASLOOP_DATA", str(folder / "data"))


@pytest.fixture(scope="session")
def reported(tmp_path_factory, toy_metadata) -> tuple[Path, Report, str]:
    """A folder with the preset `toy` and a study of it; the content of the report on that; its page.

    Two arms of three seeds, whose labels are drawn: 5 or 25 human labels a round, beside 20 of a model.
    """
    folder = tmp_path_factory.mktemp("reported")
    (folder / "presets").mkdir()
    (folder / "presets" / "toy.toml").write_text(toy.PRESET)
    options = Options(Path("data"))
    with pytest.MonkeyPatch.context() as patch:
        inside(patch, folder, toy_metadata)
        preset = presets.read("toy").override({("domain", "labels"): "bits", ("domain", "pool"): 500}, "--set")
        preset = preset.vary({"loop.human": [5, 25]}, "--grid")
        planned = planning.plan(arms_of(preset), [0, 1, 2], STUDY, options)
        InProcess().run(planned, options, studies.Recorder())
        made = gather([STUDY], Asked(options))
        return folder, made, page(made).decode()


@pytest.fixture(scope="module")
def place(reported, toy_metadata):
    """The folder of the study, which is worked in."""
    with pytest.MonkeyPatch.context() as patch:
        inside(patch, reported[0], toy_metadata)
        yield reported[0]


@pytest.fixture(scope="module")
def study(place) -> Path:
    """The study's directory."""
    return STUDY


@pytest.fixture
def report(reported) -> Report:
    """The content of the report on it."""
    return reported[1]


@pytest.fixture(scope="module")
def html(reported) -> str:
    """Its page."""
    return reported[2]


@pytest.fixture
def undrawn(monkeypatch):
    """Reports without figures, which most of what a report says does not need."""
    monkeypatch.setattr(drawing, "drawings", lambda *_: [])


@pytest.fixture(scope="session")
def before() -> Path:
    """Runs that earlier trees made, by domain."""
    return toy.TESTS / "runs_before"
