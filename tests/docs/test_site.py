"""The documentation site: built strictly and offline, whole, and with nothing that is loaded from elsewhere."""

import re
import subprocess
import sys

import pytest
from builder import checking, site, staging
from support.toy import PROJECT

CONFIG = """
site_name: small
docs_dir: docs
site_dir: build/site
use_directory_urls: false
theme: {name: material, font: false}
nav: [index.md, changelog.md, inner/page.md]
"""
PAGES = {
    "mkdocs.yml": CONFIG,
    "README.md": "# Read me\n",
    "CHANGELOG.md": "# Changes\n\nSee [the page](docs/inner/page.md#a-heading) and [a file](biasloop/x.py).\n",
    "biasloop/x.py": "",
    "docs/index.md": "# Start\n\n[changes](../CHANGELOG.md), [page](inner/page.md), [source](../biasloop/x.py)\n",
    "docs/inner/page.md": "# Page\n\n## A heading\n\n"
    "[up](../../CHANGELOG.md) [it](#a-heading)\n\n[first](../../README.md)\n",
}


@pytest.fixture
def project(tmp_path):
    """A small project whose pages are right."""
    for name, text in PAGES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site of biasloop."""
    return site.build(PROJECT, tmp_path_factory.mktemp("built"))


def test_every_page_is_in_the_site_and_in_the_navigation(built):
    pages = {str(path.relative_to(PROJECT / "docs")) for path in (PROJECT / "docs").rglob("*.md")}
    named = staging.navigation(PROJECT / "mkdocs.yml")
    assert sorted(named) == sorted(pages | {"changelog.md", "security.md"})
    assert all((built / page).with_suffix(".html").exists() for page in named)


def test_nothing_is_loaded_from_elsewhere_not_even_by_styles_and_scripts_of_ours(built):
    assert checking.faults(built) == []
    styles = "".join(path.read_text() for path in built.rglob("*.css"))
    assert len(styles) > 10_000
    assert re.findall(r"@import|url\(\s*['\"]?(?:https?:)?//[^)]*", styles) == []


def test_pages_that_were_opened_from_the_disk_are_searched_by_a_script_of_ours(built):
    for page, script in (("index.html", "assets/"), ("metrics/index.html", "../assets/")):
        assert f'src="{script}search-from-disk.js"' in (built / page).read_text()
    assert 'location.protocol === "file:"' in (built / "assets" / "search-from-disk.js").read_text()


def test_links_between_pages_and_files_of_the_project(project, tmp_path):
    made = site.build(project, tmp_path / "work")
    start, changes = (made / "index.html").read_text(), (made / "changelog.html").read_text()
    assert 'href="./changelog.html"' in start or 'href="changelog.html"' in start
    assert ">source<" not in start
    assert "source" in start
    assert re.search(r'href="(\./)?inner/page\.html#a-heading"', changes)
    assert re.search(r'href="\.\./index\.html"', (made / "inner" / "page.html").read_text())


def told(project, work):
    """What a build that fails says: one line, and no traceback."""
    with pytest.raises(site.BuildError) as raised:
        site.build(project, work)
    assert "\n" not in str(raised.value)
    assert "Traceback" not in str(raised.value)
    return str(raised.value)


def test_links_that_lead_to_no_page_or_heading_are_named_by_line(project, tmp_path):
    links = ["[x](nowhere.md)", "[x](inner/page.md#nothing)", *(f"[x](no-{number}.md)" for number in range(12))]
    (project / "docs" / "index.md").write_text("# Start\n\n" + "\n".join(links))
    line = told(project, tmp_path / "work")
    assert line.startswith("docs/index.md:3: page does not exist; docs/index.md:4: anchor does not exist; ")
    assert line.endswith("; and 4 more")


def test_pictures_files_and_headings_that_are_not_there_are_named_and_what_is_loaded_from_elsewhere(project, tmp_path):
    links = ["![x](no.png)", "[x](no.py)", '<a href="inner/page.html#no">x</a>', "![x](https://example.org/x.png)"]
    (project / "docs" / "index.md").write_text("# Start\n\n" + "\n".join(links))
    line = told(project, tmp_path / "work")
    assert set(line.split("; ")) == {
        "index.html: no.png leads to no file", "index.html: no.py leads to no file",
        "index.html: inner/page.html#no leads to no heading",
        "index.html: loads https://example.org/x.png from elsewhere",
    }  # fmt: skip


def test_pages_and_navigation_must_agree_and_what_zensical_raises_is_told(project, tmp_path):
    config = project / "mkdocs.yml"
    (project / "docs" / "more.md").write_text("# More")
    config.write_text(CONFIG.replace("index.md,", "index.md, gone.md, inner/page.md,"))
    line = told(project, tmp_path / "work")
    assert "the navigation names docs/gone.md, which is not there" in line
    assert "docs/more.md is not in the navigation" in line
    assert "the navigation names docs/inner/page.md twice" in line
    (project / "docs" / "more.md").unlink()
    config.write_text(CONFIG + "markdown_extensions: [nosuch]")
    assert "nosuch" in told(project, tmp_path / "work")


def test_the_command_ends_with_1_and_one_line(project):
    (project / "docs" / "index.md").write_text("# Start\n\n[x](nowhere.md)\n")
    code = "import sys; from builder.__main__ import main; sys.exit(main(['site', sys.argv[1]]))"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(project)], cwd=PROJECT / "docs", capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "docs: docs/index.md:3: page does not exist\n"
