"""README: one page, with a picture, how long things take, and names of all that is asked of a reader."""

import re

import pytest
from support import pages, toy

PAGE = (toy.PROJECT / "README.md").read_text()
DOCS = sorted((toy.PROJECT / "docs").glob("*.md"))


def test_it_is_one_page():
    assert len(PAGE.splitlines()) <= 110


def test_it_begins_with_what_it_is_for_and_a_picture():
    first = PAGE.partition("\n## ")[0]
    assert "What happens to bias when models are trained on data that earlier models labelled or generated" in first
    assert re.search(r"!\[[^\]]+\]\(docs/[\w-]+\.png\)", first)


def test_the_first_commands_say_how_long_they_take():
    start = PAGE.partition("\n## Start\n")[2].partition("\n## ")[0]
    demo, test = re.findall(r"^    make (?:demo|test) +# (.*)$", start, re.MULTILINE)
    assert "minutes" in demo
    assert "minutes" in test


def test_there_are_four_examples_each_with_a_command():
    examples = PAGE.partition("\n## Four examples\n")[2].partition("\n## ")[0]
    asked = re.split(r"^\*\*", examples, flags=re.MULTILINE)[1:]
    assert len(asked) == 4
    assert all(pages.commands(example) for example in asked)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^    make ([\w-]+)", PAGE, re.MULTILINE))))
def test_make_has_what_it_names(target):
    assert re.search(rf"^{target}:", (toy.PROJECT / "Makefile").read_text(), re.MULTILINE)


def test_every_page_can_be_reached():
    """From README, by the links of pages."""
    reached, waiting = set(), [toy.PROJECT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        linked = re.findall(r"\]\(([\w./-]+\.md)", page.read_text())
        near = {(page.parent / target).resolve() for target in linked}
        waiting += [target for target in near if target.exists() and target not in reached]
    assert {page.name for page in DOCS if page not in reached} == set()
