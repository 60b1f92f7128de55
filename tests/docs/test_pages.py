"""Every page: links lead somewhere, and the program takes the commands as they stand."""

import pytest
from support import pages, toy

PAGES = pages.every_page()


@pytest.mark.parametrize("page", PAGES, ids=pages.name_of)
def test_links_lead_somewhere(page):
    assert pages.dead_links(page) == set()


@pytest.mark.parametrize("page", PAGES, ids=pages.name_of)
def test_commands_are_the_programs_own(page):
    mistakes = {command: pages.mistake(command) for command in pages.commands(page.read_text())}
    assert {command: said for command, said in mistakes.items() if said} == {}


@pytest.mark.parametrize("page", PAGES, ids=pages.name_of)
def test_sentences_name_commands_and_options_that_there_are(page):
    strays = {mention: pages.unknown(mention) for mention in pages.mentions(page.read_text())}
    assert {mention: words for mention, words in strays.items() if words} == {}


def test_mistakes_are_seen():
    assert pages.mistake("loop --preset quickstart --seeds 0-2") is None
    assert pages.mistake("runs compare DIR") is None
    assert "nowhere" in pages.mistake("loop --preset nowhere")
    assert "--sed" in pages.mistake("loop --preset quickstart --sed 3")
    assert "'lop'" in pages.mistake("lop --preset quickstart")
    assert "'shoe'" in pages.mistake("presets shoe")
    assert pages.unknown("loop --preset NAME [--sets K=V]") == {"--sets"}
    assert pages.unknown("runs lists DIR") == {"lists"}


def test_dead_links_are_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A Title, here\n[a](page.md#a-title-here) [b](none.md) [c](#none)")
    assert pages.dead_links(page) == {"none.md", "#none"}


def test_pages_do_not_name_the_machine_that_they_were_written_on():
    for page in PAGES:
        assert str(toy.PROJECT) not in page.read_text(), page.name
