"""docs/notebook.ipynb runs as it stands, what it shows is stored, and docs/python.md names what there is."""

import ast
import re
import sys

import nbformat
import pytest
from support import toy

import biasloop

DOCS = toy.PROJECT / "docs"
NOTEBOOK = DOCS / "notebook.ipynb"
FEWER = ("loop__rounds=4", "loop__rounds=2, domain__epochs=2")  # what the test makes of its runs


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(NOTEBOOK, as_version=4)


def kinds(cell):
    """What a cell shows: names of media, or of errors and streams."""
    return [sorted(output.get("data", {})) or output.get("ename", output.output_type) for output in cell.outputs]


def test_every_cell_runs_and_shows_what_is_stored(stored, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.setenv("PYTHONPATH", f"{toy.PROJECT}:{toy.PROJECT / 'plugins'}")
    from notebook import executed

    fresh = nbformat.read(NOTEBOOK, as_version=4)
    first = next(cell for cell in fresh.cells if FEWER[0] in cell.source)
    first.source = first.source.replace(*FEWER)
    executed(fresh, tmp_path)
    assert [kinds(cell) for cell in fresh.cells if cell.cell_type == "code"] == [
        kinds(cell) for cell in stored.cells if cell.cell_type == "code"
    ]
    assert len(list(tmp_path.glob("runs/notebook/*/seed-*/manifest.json"))) == 6
    sys.modules.pop("notebook")


def test_what_is_stored_was_shown_in_order_and_names_no_machine(stored):
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(cell.outputs for cell in code)
    assert NOTEBOOK.stat().st_size < 150_000
    assert not re.findall(r"/(?:home|root|tmp|work|Users)/", NOTEBOOK.read_text())


def code_blocks():
    return re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)


def test_code_of_the_page_is_python_and_names_what_there_is():
    blocks = code_blocks()
    assert len(blocks) > 3
    for block in blocks:
        ast.parse(block)
    named = set(re.findall(r"\bbiasloop\.((?:evaluate\.|bound\.)?[A-Za-z_]+)", (DOCS / "python.md").read_text()))
    assert len(named) > 10
    for name in named - {"errors"}:
        owner = biasloop
        for part in name.split("."):
            owner = getattr(owner, part)


@pytest.mark.parametrize("name", ["Run", "Study"])
def test_the_page_has_every_method(name):
    text = (DOCS / "python.md").read_text()
    owner = name.lower()
    public = [each for each in vars(getattr(biasloop, name)) if not each.startswith("_")]
    internal = {"stored", "measured", "vocabularies", "setup"}  # what others are made of
    for method in set(public) - internal:
        assert re.search(rf"`(?:{owner})?\.{method}\b", text), method
