"""Pages as the site has them: those of `docs/`, and those that stand at the root of the project."""

import os
import re
import shutil
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[2]
CONFIG = "mkdocs.yml"
AT_ROOT = {"CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md", "README.md": "index.md"}
"""Files at the root that pages may link to, and the page of the site that each is; README's is the start page."""
_NOT_STAGED = shutil.ignore_patterns("builder", "__pycache__", "*.ipynb_checkpoints")
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def stage(project: Path, work: Path) -> Path:
    """Put the pages and the configuration into a folder of their own, where links lead to pages of the site.

    Args:
        project: the folder of `mkdocs.yml` and `docs/`.
        work: a folder; what an earlier call has left there is replaced.

    Returns:
        The configuration to build from; it writes into `work/site`.
    """
    pages = work / "docs"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(project / "docs", pages, ignore=_NOT_STAGED)
    for name, page in AT_ROOT.items():
        if (project / name).exists() and not (pages / page).exists():
            (pages / page).write_text((project / name).read_text())
    for path in sorted(pages.rglob("*.md")):
        within = path.relative_to(pages)
        path.write_text(linked(path.read_text(), _source(project, within), within, project))
    config = yaml.safe_load((project / CONFIG).read_text())
    (work / CONFIG).write_text(yaml.safe_dump(config | {"docs_dir": "docs", "site_dir": "site"}, sort_keys=False))
    return work / CONFIG


def _source(project: Path, page: Path) -> Path:
    """The file of the project that a page of the site is made of."""
    inside = project / "docs" / page
    return inside if inside.exists() else next(project / name for name, of in AT_ROOT.items() if of == str(page))


def linked(text: str, source: Path, page: Path, project: Path) -> str:
    """A page's text with its links to files of the project turned into links of the site.

    A link to a page at the root leads to that page of the site; one to any other file outside `docs/` becomes its
    words alone, since the site does not have the file. What leads nowhere stays, for the build to complain of.
    """

    def mended(link: re.Match[str]) -> str:
        words, target, anchor = link[1], link[2], link[3] or ""
        path = Path(os.path.normpath(source.parent / target))
        if not path.exists() or not path.is_relative_to(project):
            return link[0]
        inside = path.relative_to(project)
        if inside.parts[0] == "docs":
            within = Path(*inside.parts[1:])
        elif str(inside) in AT_ROOT:
            within = Path(AT_ROOT[str(inside)])
        else:
            return words
        return f"[{words}]({os.path.relpath(within, page.parent)}{anchor})"

    return _LINK.sub(mended, text)


def navigation(config: Path) -> list[str]:
    """The pages that the navigation names, in its order."""

    def named(part: object) -> list[str]:
        if isinstance(part, str):
            return [part]
        inner = part.values() if isinstance(part, dict) else part
        return [page for each in inner for page in named(each)]  # type: ignore[attr-defined]

    return named(yaml.safe_load(config.read_text())["nav"])
