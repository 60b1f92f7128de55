"""Names beside a fetched file may be taken by links to somebody's files: those are never written."""

import os

import pytest
from support.archives import remote
from support.servers import serving

from biasloop.downloads import download

CONTENT = bytes(range(256)) * 1000
BESIDE = [".set.bin.part", ".set.bin.part.json", ".set.bin.part.json.new"]


@pytest.fixture
def mine(tmp_path):
    """A file of somebody's that must stay as it is."""
    path = tmp_path / "thesis.txt"
    path.write_text("years of work")
    yield path
    assert path.read_text() == "years of work"


def link(place, mine):
    place.symlink_to(mine)


def link_to_nothing(place, mine):
    place.symlink_to(mine.parent / "nothing")


def second_name(place, mine):
    os.link(mine, place)


def pipe(place, mine):
    os.mkfifo(place)


@pytest.mark.parametrize("take", [link, link_to_nothing, second_name, pipe])
@pytest.mark.parametrize("name", BESIDE)
def test_a_fetched_file_is_not_written_through_what_lies_beside_it(tmp_path, mine, name, take):
    data = tmp_path / "data"
    data.mkdir()
    take(data / name, mine)
    with serving({"set.bin": CONTENT}) as server:
        download(remote("set.bin", CONTENT, server.url + "set.bin"), data)
    assert (data / "set.bin").read_bytes() == CONTENT
    assert [path.name for path in data.iterdir()] == ["set.bin"]
    assert not (tmp_path / "nothing").exists()


def test_a_link_in_the_place_of_a_file_is_replaced(tmp_path, mine):
    (tmp_path / "set.bin").symlink_to(mine)
    with serving({"set.bin": CONTENT}) as server:
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)
    assert not (tmp_path / "set.bin").is_symlink()


def test_a_claim_that_is_a_link_is_replaced(tmp_path, mine):
    (tmp_path / ".set.bin.claim-3").symlink_to(mine)
    with serving({"set.bin": CONTENT}) as server:
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)
    assert mine.read_text() == "years of work"
    assert not (tmp_path / ".set.bin.claim-3").is_symlink()
