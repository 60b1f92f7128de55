"""`docs/writing-a-domain.md`: its files, its commands and its test as they stand, and its table of capabilities."""

import ast
import csv
import re
import runpy
import shlex
import signal
import sys
from pathlib import Path

import pytest
import tomli
from support import toy
from typer.testing import CliRunner
from typing_extensions import get_protocol_members

from biasloop.cli.main import app
from biasloop.contract.domains import missing_methods
from biasloop.contract.testing.protocols import CAPABILITIES
from biasloop.store.reader import Run

PAGE = (toy.PROJECT / "docs" / "writing-a-domain.md").read_text()
FILES = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.search(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1].splitlines()
MODULE = "biasloop_rows"
MOST = 150


def installed(folder: Path) -> Path:
    """The files of the page, and the metadata that pip would write of them."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    project = tomli.loads(FILES["pyproject.toml"])["project"]
    ((name, target),) = project["entry-points"]["biasloop.domains"].items()
    return toy.declare(folder, project["name"], name, target)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands of the page have been run, one after the other; what each printed is in `printed`."""
    folder = installed(tmp_path_factory.mktemp("own"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.setenv("BIASLOOP_DATA", str(folder / "data"))
        for command in COMMANDS:
            program, *arguments = shlex.split(command)
            if program == "python":
                runpy.run_path(arguments[0])
            elif program == "biasloop":
                ran = CliRunner().invoke(app, arguments)
                assert ran.exit_code == 0, f"{command}\n{ran.output}\n{ran.exception!r}"
        yield folder
    sys.modules.pop(MODULE, None)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_there_are_the_files_and_the_commands_of_a_plugin():
    assert FILES.keys() == {"make_loans.py", f"{MODULE}.py", "pyproject.toml", "loans.toml", f"test_{MODULE}.py"}
    used = [" ".join(shlex.split(command)[1:3]) for command in COMMANDS if command.startswith("biasloop")]
    assert {"plugins", "loop --preset", "evaluate run", "generate --run"} <= set(used)
    assert {shlex.split(command)[0] for command in COMMANDS} == {"python", "pip", "biasloop"}
    assert "pip install -e ." in COMMANDS


def test_the_domain_is_short_and_its_test_shorter():
    assert len(FILES[f"{MODULE}.py"].splitlines()) < MOST
    code = [line for line in FILES[f"test_{MODULE}.py"].splitlines() if line.strip()]
    assert len(code) <= 5


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".py")])
def test_lines_of_code_fit_and_names_are_the_contracts(name):
    assert max(map(len, FILES[name].splitlines())) <= 120
    imported = {node.module for node in ast.walk(ast.parse(FILES[name])) if isinstance(node, ast.ImportFrom)}
    own = {module for module in imported if module.startswith("biasloop.")}
    assert all(module.split(".")[1] in {"contract", "datasets", "errors", "metrics"} for module in own)


def test_it_has_the_capabilities_that_the_page_says(folder):
    domain = runpy.run_path(f"{MODULE}.py")["RowsDomain"]
    sentence = re.search(r"^In the words of the contract.*?\. ", PAGE, re.MULTILINE | re.DOTALL)[0]
    known = {capability.__name__ for capability in CAPABILITIES if not missing_methods(domain, capability)}
    assert set(re.findall(r"`(\w+)`", sentence)) == known


def test_its_commands_run_and_leave_what_they_say(folder):
    run = Run.open(folder / "runs" / "loans" / "seed-1")
    assert len(run.rounds) == 6
    measured = run.read("round-0005").evaluations["test"].metrics
    assert measured["accuracy"].value > 0.7
    assert {"bias", "share_predicted", "share_target", "share_train", "ece"} <= measured.keys()
    sampled = Run.open(folder / "runs" / "sampled" / "seed-0").read("round-0005")
    assert {"epoch-0005", "epoch-0010"} <= sampled.evaluations.keys()
    assert len(sampled.frames["fit.curve"]) == 10


def test_it_labels_what_nobody_has_labelled(folder):
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["prediction"] for row in rows} == {"yes", "no"}
    assert [int(row["id"]) for row in rows if not row["target"]] == list(range(1000, 1200))


def test_its_own_test_holds_it_to_the_contract(folder, tmp_path):
    namespace = runpy.run_path(f"test_{MODULE}.py")
    (test,) = [value for name, value in namespace.items() if name.startswith("test_")]
    test(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("data=nowhere.csv", "domain.data = 'nowhere.csv' is no file"),
        ("label=age", "loans.csv has no column 'age'"),
        ("label=income", "have to be numbers"),
        ("test=1000", "leaves nothing to train on: loans.csv has 1000 labelled rows"),
        ("follow=maybe", "domain.follow = 'maybe' is none of no, yes"),
    ],
)
def test_its_domain_refuses_before_anything_is_spent(folder, change, sentence):
    ran = CliRunner().invoke(app, ["loop", "-p", "loans.toml", "--dry-run", "--set", f"domain.{change}"])
    assert ran.exit_code != 0
    assert sentence in str(ran.exception)


@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda capability: capability.__name__)
def test_every_capability_is_in_the_table(capability):
    row = re.search(rf"^\| `{capability.__name__}` \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert row is not None
    inherited = {name for base in capability.__bases__ if base in CAPABILITIES for name in get_protocol_members(base)}
    assert set(re.findall(r"`(\w+)`", row[1])) == get_protocol_members(capability) - inherited
    assert row[2]


def test_the_table_has_nothing_else():
    rows = re.findall(r"^\| `(\w+)` \| `", PAGE, re.MULTILINE)
    assert rows == sorted(rows, key=rows.index)
    assert set(rows) == {capability.__name__ for capability in CAPABILITIES}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([\w./-]+)\)", PAGE):
        assert (toy.PROJECT / "docs" / target).exists(), target
    for name in re.findall(r"`((?:biasloop|tests|plugins)/[\w/.]*)`", PAGE):
        assert (toy.PROJECT / name).exists(), name
