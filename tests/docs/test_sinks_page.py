"""`docs/sinks.md`: its example as it stands, with a module in trackio's place, and its list of bundled sinks."""

import importlib
import re
import sys
from types import ModuleType

import pytest
import tomli
from support import toy
from typing_extensions import get_protocol_members

from biasloop.contract.sinks import CurveSink, Sink

PAGE = (toy.PROJECT / "docs" / "sinks.md").read_text()
FILES = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
MODULE = "biasloop_trackio"


class FakeTrackio(ModuleType):
    """What the example calls of trackio, as its reference has it, writing down what it is called with."""

    def __init__(self) -> None:
        super().__init__("trackio")
        self.told: list[tuple[str, object]] = []

    def init(self, project: str, name: str | None = None, config: dict | None = None, resume: str = "never") -> None:
        self.told.append(("init", (project, name, resume)))
        self.config = config

    def log(self, metrics: dict, step: int | None = None) -> None:
        self.told.append(("log", step))
        self.metrics = metrics

    def finish(self) -> None:
        self.told.append(("finish", None))


@pytest.fixture
def trackio(tmp_path, workplace, monkeypatch) -> FakeTrackio:
    """The page's files, installed, and a module in trackio's place."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    project = tomli.loads(FILES["pyproject.toml"])["project"]
    ((name, target),) = project["entry-points"]["biasloop.sinks"].items()
    toy.declare(folder, project["name"], name, target, group="biasloop.sinks")
    monkeypatch.syspath_prepend(folder)
    fake = FakeTrackio()
    monkeypatch.setitem(sys.modules, "trackio", fake)
    yield fake
    sys.modules.pop(MODULE, None)


def test_the_example_is_about_twenty_lines_and_what_the_contract_wants(trackio):
    code = [line for line in FILES[f"{MODULE}.py"].splitlines() if line.strip()]
    assert len(code) <= 20
    sink = importlib.import_module(MODULE).Trackio
    assert isinstance(sink(), Sink)


def test_the_example_logs_each_round_once_also_of_a_run_that_goes_on(cli, trackio):
    result = cli("loop", "-p", "toy", "--sink", "trackio")
    assert result.exit_code == 0, result.stderr
    assert "failed" not in result.stderr
    begin, end = ("init", ("toy", "seed 0", "allow")), ("finish", None)
    assert trackio.told == [begin, *(("log", number) for number in range(4)), end]
    assert {"share_predicted", "share_target"} <= trackio.metrics.keys()
    assert trackio.config["loop.human"] > 0
    trackio.told.clear()
    assert cli("loop", "-p", "toy", "--sink", "trackio").exit_code == 0
    assert trackio.told == [begin, end]


def test_the_page_names_every_method_and_bundled_sink():
    methods = set(re.findall(r"^\* `(\w+)\(", PAGE, re.MULTILINE))
    assert methods == get_protocol_members(CurveSink) | get_protocol_members(Sink)
    declared = tomli.loads((toy.PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]["biasloop.sinks"]
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == declared.keys()
