"""The references of presets, of what can be fetched, and of figures."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from builder.markdown import MADE, code, heading, prose, table

if TYPE_CHECKING:
    from biasloop.config.presets import Listed

STUDIES = {
    "quickstart": "Quickstarts, which need no download",
    "fig": "Taori & Hashimoto (2022): data feedback loops",
    "bias-amp": "Hall et al. (2022): bias amplification",
    "ffl": "Wyllie et al. (2024): fairness feedback loops of generators",
    "clip": "Chen et al. (2024): generated pictures and CLIP",
    "reducr": "Bankes et al. (2024): which samples a model learns from",
    "selection": "Bankes et al. (2024): which samples a model learns from",
}
"""Study of a preset, by how its name begins."""


def page() -> str:
    """The page of every preset, by study, and of what can be fetched."""
    from biasloop import datasets
    from biasloop.config.presets import is_shipped, listing
    from biasloop.report.tables.formatting import size

    grouped: dict[str, list[Listed]] = {title: [] for title in STUDIES.values()}
    for preset in sorted((each for each in listing() if is_shipped(each.path)), key=lambda each: by_number(each.name)):
        grouped[study_of(preset.name)].append(preset)
    parts = [
        MADE,
        heading(1, "Presets"),
        "`biasloop loop --preset NAME` runs one; `biasloop presets show NAME` prints all that it sets. Those with a "
        "mini also have `NAME-mini`, which is small enough to see the workings in about a minute and needs no "
        "download. Runs are of one seed: combinations of the preset's grid and arms. \\* : the publication does not "
        "give all settings, so that some are ours.\n\n",
    ]
    columns = ["preset", "what it runs", "source", "mini", "runs", "seeds", "to fetch"]
    for title, presets in grouped.items():
        parts += [heading(2, title), table(columns, map(_row, presets))]
    assets = [
        [
            code(asset.name),
            prose(asset.summary),
            "on request" if asset.asked is not None else size(asset.bytes) if asset.bytes else "comes with biasloop",
            prose(asset.licence),
        ]
        for asset in datasets.all_assets()
    ]
    parts += [heading(2, "What can be fetched"), "By `biasloop fetch NAME`.\n\n"]
    parts.append(table(["name", "what it is", "download", "licence"], assets))
    return "".join(parts).rstrip() + "\n"


def study_of(name: str) -> str:
    """The study that a preset is of.

    Raises:
        KeyError: its name begins like none.
    """
    begins = max((prefix for prefix in STUDIES if name.startswith(prefix)), key=len, default=name)
    return STUDIES[begins]


def by_number(name: str) -> list[str | int]:
    """What names are sorted by, so that fig3 comes before fig10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _row(preset: "Listed") -> list[str]:
    from biasloop.config.presets import read
    from biasloop.config.validation import arms_of

    if preset.problem or not preset.summary:
        raise ValueError(f"preset {preset.name} cannot be read or has no summary: {preset.problem}")
    values = read(preset.name)
    experiments = [experiment for _, experiment in arms_of(values)]
    name = code(preset.name) + (" \\*" if preset.parameters else "")
    return [
        name,
        prose(preset.summary),
        prose(preset.source),
        "yes" if preset.mini else "",
        str(len(experiments)),
        str(values.values.get("seeds", "0")),
        _to_fetch([experiment.domain.model_dump() for experiment in experiments]),
    ]


def _to_fetch(domains: list[Mapping[str, object]]) -> str:
    """What domains need that does not come with biasloop, with its size; of a user's own folder that it is one."""
    from biasloop import datasets
    from biasloop.report.tables.formatting import size
    from biasloop.running.engine import Options, build_domain

    shipped = {asset.name for asset in datasets.all_assets() if asset.shipped is not None}
    needs: dict[str, str] = {}
    for settings in {repr(sorted(_of_data(domain).items())): domain for domain in domains}.values():
        for need in build_domain(dict(settings), 0, Options(Path("nowhere"))).requirements():
            if need.name not in shipped:
                needs[need.name] = f"{code(need.name)} ({size(need.bytes) if need.bytes else 'on request'})"
        if settings.get("path"):
            needs["path"] = "a folder of yours, `domain.path`"
    return ", ".join(needs.values())


def _of_data(domain: Mapping[str, object]) -> dict[str, object]:
    """The settings of a domain that requirements may depend on; grids of a thousand arms vary others."""
    varied = {"bias", "width", "depth", "weight_decay", "learning_rate", "epochs"}
    return {name: value for name, value in domain.items() if name not in varied}


def page_of_figures() -> str:
    """The page of every layout of a figure."""
    from biasloop.config.presets import packaged
    from biasloop.report.figures.layouts import Layout, read

    parts = [
        MADE,
        heading(1, "Figures"),
        "`biasloop plot FIGURE [DIR...]` lays out one from the runs found below `runs/`, or below the directories that "
        "are named, and says which are missing, with the commands that make them. `NAME-mini` is the same of the "
        "presets' minis. `biasloop plot RUN...` draws what the preset of a run names and needs no layout.\n\n",
    ]
    rows = []
    for path in sorted((packaged() / "figures").glob("*.toml"), key=lambda path: by_number(path.stem)):
        layout: Layout = read(path)
        if not layout.title or not layout.source:
            raise ValueError(f"figure {path.stem} has no title or no source")
        certainty = f" ({prose(layout.certainty)})" if layout.certainty else ""
        rows.append([code(path.stem), prose(layout.title), prose(layout.source) + certainty, _shown(layout)])
    return "".join([*parts, table(["figure", "what it shows", "source", "drawn of"], rows)]).rstrip() + "\n"


def _shown(layout: object) -> str:
    """The presets that a layout is made of."""
    rows = getattr(layout, "rows", [])
    presets = getattr(layout, "presets", [])
    names = [name for row in rows for name in row] or list(presets)
    return ", ".join(code(name) for name in dict.fromkeys(names)) or "runs that you name"
