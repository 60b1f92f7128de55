"""The page on how biasloop is built names what there is."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "architecture.md").read_text()


def test_every_room_is_on_the_page():
    rooms = {path.name for path in (PROJECT / "biasloop").iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if f"`{room}/`" not in PAGE} == set()


def test_every_room_is_in_the_picture():
    picture = (PROJECT / "docs" / "architecture.py").read_text()
    rooms = {path.name for path in (PROJECT / "biasloop").iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if f'("{room}"' not in picture} == set()


def test_every_file_that_the_page_names_is_there():
    files = re.findall(
        r"`((?:training|feedback|config|contract|records|store|cli|plugins|tests|docs)/[\w/]+\.\w+)", PAGE
    )
    assert len(files) > 20
    missing = [file for file in files if not (PROJECT / file).exists() and not (PROJECT / "biasloop" / file).exists()]
    assert missing == []
