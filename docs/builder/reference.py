"""Writes the generated pages; a test compares them with what is in `docs/reference`."""

from collections.abc import Callable
from pathlib import Path

from builder import commands, presets, settings

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "settings.md": settings.page,
    "domains.md": settings.page_of_domains,
    "scenarios.md": settings.page_of_scenarios,
    "presets.md": presets.page,
    "figures.md": presets.page_of_figures,
}


def write(folder: Path) -> list[Path]:
    """Write every page that differs from what is there; which those are."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, page in PAGES.items():
        path, text = folder / name, page()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return changed
