"""Draws `architecture.svg`, the rooms of biasloop and who may import whom: `python docs/architecture.py`."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

mpl.rcParams["svg.fonttype"] = "none"
mpl.rcParams["svg.hashsalt"] = "architecture"

_PLUGINS = "a package a domain: images, language,\ntextclass, tabular, generators, command"
# Name, what is in it, left, bottom, width, height; the unit is arbitrary.
ROOMS = [
    ("cli", "a file a subcommand: parses, calls, prints", 0, 86, 43, 9),
    ("api", "biasloop in Python", 45, 86, 21, 9),
    ("running", "engine of a run, studies, generate,\nmeasuring stored runs again", 0, 70, 32, 11),
    ("report", "tables, figures, live view", 34, 70, 32, 11),
    ("config", "from TOML to\nthe typed\nexperiment", 0, 54, 12, 11),
    ("feedback", "a file a rule:\nsettings, rounds,\nbound", 13.5, 54, 12, 11),
    ("scenario", "what if: the\nbound of streams,\nand chance", 27, 54, 12, 11),
    ("evaluations", "metrics of\nsomebody's\npredictions", 40.5, 54, 12, 11),
    ("predictions", "files of\nthem, as\nbatches", 54, 54, 12, 11),
    ("records", "a round's record,\nthe ledger", 0, 40, 21, 9),
    ("store", "a run as HDF5 files\nand a manifest", 23, 40, 20, 9),
    ("metrics", "pure functions:\nvalue, n, error", 45, 40, 21, 9),
    ("datasets", "catalogue,\nreaders", 0, 26, 15, 9),
    ("downloads", "fetched, checked,\ncontinued", 17, 26, 15, 9),
    ("tables", "CSV, JSON,\nParquet", 34, 26, 15, 9),
    ("hdf5", "files that may\nbe hostile", 51, 26, 15, 9),
    ("contract", "what a plugin's author reads: capabilities, data, random streams, batches", 0, 13, 66, 8),
    ("system", "files, claims, memory, threads, launchers", 0, 0, 40, 8),
    ("errors, lazy, bound, ...", "modules that stand alone", 42, 0, 24, 8),
    ("plugins", _PLUGINS, 72, 48, 28, 17),
    ("training", "the only room with torch:\nloop, objectives, sources,\nrecipe, selecting, star", 72, 8, 28, 17),
]
ARROWS = [  # from, to
    ((16, 86), (16, 81)), ((50, 86), (50, 81)), ((34, 75), (32, 75)),
    ((16, 70), (16, 65)), ((50, 70), (50, 65)),
    *(((x, y), (x, y - 5)) for y in (54, 40, 26, 13) for x in (16, 50)),
    ((72, 54), (66, 19)), ((72, 50), (66, 45)), ((86, 48), (86, 25)), ((72, 14), (66, 16)), ((73, 48), (66, 31)),
]  # fmt: skip


def main() -> None:
    """Writes the picture beside this file."""
    figure = Figure(figsize=(10, 7.4))
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set(xlim=(-1, 102), ylim=(-2, 97))
    axes.axis("off")
    for name, holds, left, bottom, width, height in ROOMS:
        color = "#e8eef7" if left < 70 else "#f7efe2"
        box = FancyBboxPatch((left, bottom), width, height, "round,pad=0,rounding_size=1", fc=color, ec="#44546a")
        axes.add_patch(box)
        lines = holds.count("\n") + 1
        middle = left + width / 2
        axes.text(middle, bottom + height - 1.2, name, ha="center", va="top", weight="bold", size=10.5)
        axes.text(middle, bottom + (height - 3) / 2 - 0.2 * (3 - lines), holds, ha="center", va="center", size=8.5)
    for begin, end in ARROWS:
        axes.annotate("", end, begin, arrowprops={"arrowstyle": "-|>", "color": "#44546a", "lw": 1.2})
    figure.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
