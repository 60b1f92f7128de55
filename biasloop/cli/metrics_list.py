"""What can be drawn or computed: the metrics of stored runs, and the published figures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from biasloop.errors import InvalidInput
from biasloop.report.output import emit, hint, note, show, table

if TYPE_CHECKING:
    from biasloop.store.reader import Run


def show_metrics(runs: "Sequence[Run]", *, json: bool) -> None:
    """Print the metrics that runs have, with what they are called in figures and in how many rounds they have a value.

    Raises:
        InvalidInput: no run has a finished round.
    """
    import math

    from biasloop.report.arms import begun
    from biasloop.report.figures.of_runs import axis_label

    names: dict[str, dict[str, Any]] = {}
    for run in begun(runs):
        for _, metrics, _, _ in run.summaries():
            for name, metric in metrics.items():
                line = names.setdefault(name, {"metric": name, "label": axis_label(run, name), "values": 0})
                line["values"] += int(math.isfinite(metric.value))
    if json:
        emit(list(names.values()))
        return
    rows = [[line["metric"], line["label"], f"{line['values']:,}"] for line in names.values()]
    show(table(["metric", "label", "values"], rows, right=(2,)))
    hint("`biasloop plot RUN --metric NAME` draws one, `biasloop evaluate run RUN --metric NAME` computes it anew")


def show_figures(*, json: bool) -> None:
    """Print the published figures that can be drawn of runs, and which runs each needs."""
    from biasloop.config.preset_files import search_path
    from biasloop.report.figures import layouts

    lines: list[dict[str, Any]] = []
    files = {path.stem: path for folder in reversed(search_path()) for path in (folder / "figures").glob("*.toml")}
    for path in sorted(files.values(), key=lambda each: _order(each.stem)):
        try:
            layout = layouts.read(path)
        except InvalidInput as error:
            note(str(error))
            continue
        needs = list(dict.fromkeys([*(name for row in layout.rows for name in row), *layout.presets]))
        lines.append({"figure": path.stem, "title": layout.title, "source": layout.source, "presets": needs})
    if json:
        emit(lines)
        return
    rows = [
        [line["figure"], line["source"] or line["title"], ", ".join(line["presets"]) or "runs that you name"]
        for line in lines
    ]
    show(table(["figure", "what it shows", "of the runs of"], rows))
    hint("`biasloop plot FIGURE` draws one from the runs in runs/, and names the commands of those that are missing")


def _order(name: str) -> tuple[str, int]:
    """fig4 before fig10."""
    digits = "".join(character for character in name if character.isdigit())
    return name.rstrip("0123456789"), int(digits or 0)
