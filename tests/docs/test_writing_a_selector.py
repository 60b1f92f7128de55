"""`docs/writing-a-selector.md`: its files and its commands as they stand."""

import ast
import re
import shlex
import signal
import sys

import pytest
import tomli
from support import toy
from typer.testing import CliRunner

from biasloop import discovery
from biasloop.cli.main import app
from biasloop.store.reader import Run

PAGE = (toy.PROJECT / "docs" / "writing-a-selector.md").read_text()
FILES = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.search(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1].splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands of the page have been run."""
    folder = tmp_path_factory.mktemp("own")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    project = tomli.loads(FILES["pyproject.toml"])["project"]
    ((name, target),) = project["entry-points"]["biasloop.selectors"].items()
    toy.declare(folder, project["name"], name, target, group="biasloop.selectors")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.setenv("BIASLOOP_DATA", str(folder / "data"))
        for command in COMMANDS:
            program, *arguments = shlex.split(command)
            if program == "biasloop":
                ran = CliRunner().invoke(app, arguments)
                assert ran.exit_code == 0, f"{command}\n{ran.output}\n{ran.exception!r}"
        yield folder
    sys.modules.pop("biasloop_median", None)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_there_are_the_files_and_the_commands_of_a_selector():
    assert FILES.keys() == {"biasloop_median.py", "pyproject.toml", "median.toml"}
    assert [" ".join(shlex.split(command)[:2]) for command in COMMANDS] == [
        "pip install", "biasloop plugins", "biasloop loop", "biasloop runs",
    ]  # fmt: skip


def test_both_arms_have_run_and_selected_otherwise(folder):
    uniform, median = (
        Run.open(folder / "runs" / "median" / f"selection.name={name}" / "seed-0") for name in ("uniform", "median")
    )
    stored = tomli.loads((median.directory / "experiment.toml").read_text())
    assert stored["selection"]["options"] == {"median": {"quantile": 0.6}}
    frames = [run.read("round-0000").frames["fit.selecting"] for run in (uniform, median)]
    assert [len(frame) for frame in frames] == [4, 4]
    offered, taken = (
        [{name: frame[name].sum() for name in frame.columns if name.startswith(prefix)} for frame in frames]
        for prefix in ("offered.", "taken.")
    )
    assert offered[0] == offered[1]
    assert taken[0] != taken[1]
    assert 0.2 < sum(taken[1].values()) / sum(offered[1].values()) < 0.3


def test_the_selector_takes_what_is_nearest_to_the_quantile(folder):
    torch = pytest.importorskip("torch")
    from biasloop.training.selection import Candidates

    chosen = discovery.selector("median")(quantile=0.5).select(
        Candidates(torch.tensor([0.1, 5.0, 1.0, 1.2, 0.0])), 2, torch.zeros(0), torch.Generator().manual_seed(0)
    )
    assert chosen.rows.tolist() == [2, 3]
    with pytest.raises(ValueError, match="less than or equal to 1"):
        discovery.selector("median")(quantile=1.5)


def test_the_module_imports_no_torch():
    imports = [
        node for node in ast.parse(FILES["biasloop_median.py"]).body if isinstance(node, ast.ImportFrom | ast.Import)
    ]
    named = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert named == {"__future__", "typing", "pydantic", "biasloop.contract.selection"}


def test_every_need_is_on_the_page():
    from biasloop.contract import selection

    names = {"LOSSES", "LOGITS", "PASSES", "IRREDUCIBLE", "CLASS_IRREDUCIBLE", "HOLDOUT"}
    assert all(hasattr(selection, name) for name in names)
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
