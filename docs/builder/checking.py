"""What a built site must hold: links that lead somewhere, and nothing that is loaded from elsewhere."""

from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class _Page(HTMLParser):
    """Ids, links and loaded files of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names."""
        values = {name: value for name, value in attrs if value}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in _LOADS and _LOADS[tag] in values:
            self.loaded.append(values[_LOADS[tag]])


def faults(site: Path) -> list[str]:
    """What is wrong with the pages of a site, a sentence each; none of an empty list.

    Args:
        site: the folder of the built pages.
    """
    pages = {path: _Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    told: dict[str, list[str]] = defaultdict(list)  # what is wrong -> the pages where it is
    for path, page in pages.items():
        name = str(path.relative_to(site))
        for target in page.loaded:
            if _is_foreign(target):
                told[f"loads {target} from elsewhere"].append(name)
        for target in (*page.loaded, *page.links):
            if not _is_foreign(target) and (reason := _broken(target, path, site, pages)) is not None:
                told[reason].append(name)
    return [f"{_first_of(names)}: {text}" for text, names in told.items()]


def _first_of(names: list[str]) -> str:
    more = len(set(names)) - 1
    return f"{names[0]} and {more} more" if more else names[0]


def _is_foreign(target: str) -> bool:
    """Whether it stands on another machine."""
    return bool(urlsplit(target).netloc)


def _broken(target: str, page: Path, site: Path, pages: dict[Path, _Page]) -> str | None:
    """Why a link of a page leads nowhere; None if it leads somewhere."""
    parts = urlsplit(target)
    if parts.scheme:  # data:, mailto:
        return None
    path = page if not parts.path else _of_path(unquote(parts.path), page, site)
    if not path.is_file():
        return f"{target} leads to no file"
    known = pages.get(path)
    if parts.fragment and known is not None and unquote(parts.fragment) not in known.ids:
        return f"{target} leads to no heading"
    return None


def _of_path(path: str, page: Path, site: Path) -> Path:
    absolute = Path(path)
    joined = site / absolute.relative_to("/") if absolute.is_absolute() else page.parent / path
    resolved = joined.resolve()
    return resolved / "index.html" if resolved.is_dir() else resolved
