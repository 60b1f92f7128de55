"""Runs docs/notebook.ipynb again and stores what it shows; needs nbclient and ipykernel (`pip install -e .[dev]`)."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("notebook.ipynb")
_SECONDS = 300  # that a cell may take


def executed(notebook: nbformat.NotebookNode, place: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of this machine.

    Args:
        notebook: is changed.
        place: the working directory of its cells; runs are left there.
    """
    NotebookClient(notebook, timeout=_SECONDS, resources={"metadata": {"path": str(place)}}).execute()
    for cell in notebook.cells:
        cell.metadata = {}  # when it was run
    notebook.metadata.pop("widgets", None)
    return notebook


def main() -> None:
    """Run it in a directory that is thrown away."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with TemporaryDirectory() as place:
        executed(notebook, Path(place))
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)
    print(f"wrote {NOTEBOOK}", file=sys.stderr)


if __name__ == "__main__":
    main()
