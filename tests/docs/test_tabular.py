"""`docs/tabular.md`: its files and commands as they stand, what it says they print, and its list of settings."""

import csv
import re
import runpy
import shlex

import pytest
from support import toy
from typer.testing import CliRunner

from biasloop.cli.main import app
from biasloop.store.reader import Run
from biasloop_tabular.config import Config

PAGE = (toy.PROJECT / "docs" / "tabular.md").read_text()
FILES = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.search(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1].splitlines()
SAID = re.findall(r"^ (human labels|10 % human) +5 +([\d.]+) ", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands of the page have been run, one after the other."""
    folder = tmp_path_factory.mktemp("tabular")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BIASLOOP_DATA", str(folder / "data"))
        for name, text in FILES.items():
            (folder / name).write_text(text)
        for command in COMMANDS:
            program, *arguments = shlex.split(command)
            if program == "python":
                runpy.run_path(arguments[0])
            else:
                assert program == "biasloop"
                ran = CliRunner().invoke(app, arguments)
                assert ran.exit_code == 0, f"{command}\n{ran.output}\n{ran.exception!r}"
        yield folder


def test_the_commands_leave_what_they_say(folder):
    assert len(COMMANDS) == 8
    assert (folder / "loans.png").stat().st_size > 10_000
    with (folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2400
    unknown = [row for row in rows if not row["target"]]
    assert {row["id"] for row in unknown} == {f"A{number:04}" for number in range(2000, 3000)}
    assert {row["prediction"] for row in unknown} == {"yes", "no"}


def test_numbers_of_the_page_are_those_of_the_runs(folder):
    found = {}
    for directory in (folder / "runs" / "loans").glob("*/seed-*"):
        *_, (_, metrics, _, _) = Run.open(directory).summaries()
        found.setdefault(directory.parent.name.partition("~")[0], []).append(metrics["tpr.f.sex"].value)
    assert {len(values) for values in found.values()} == {5}
    said = {arm.replace(" % ", "_").replace(" ", "_"): pytest.approx(float(mean), abs=0.01) for arm, mean in SAID}
    assert {arm: sum(values) / len(values) for arm, values in found.items()} == said


@pytest.mark.parametrize("name", Config.model_fields)
def test_every_setting_is_on_the_page(name):
    field = Config.model_fields[name]
    assert f"`{field.alias or name}`" in PAGE
    nested = field.annotation if isinstance(field.annotation, type) else None
    for setting in getattr(nested, "model_fields", {}):
        assert f"`{setting}`" in PAGE, setting


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (toy.PROJECT / "docs" / target).exists(), target
