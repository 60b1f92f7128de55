"""Names beside a fetched file may be taken by links to somebody's files: those are never written."""

import os

import pytest
from support.archives import cinic10, remote
from support.servers import serving

from biasloop.datasets.fetching import fetch
from biasloop.downloads import download, unpack
from biasloop.errors import DownloadError

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


def test_a_lock_that_is_a_link_is_refused(tmp_path, mine):
    (tmp_path / ".set.bin.lock").symlink_to(mine)
    with serving({"set.bin": CONTENT}) as server, pytest.raises(DownloadError, match="symbolic link"):
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path)


@pytest.mark.parametrize("take", [link, link_to_nothing, second_name, pipe])
def test_an_archive_is_not_unpacked_through_a_link(tmp_path, mine, take):
    import tarfile

    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        tar.add(mine, "inside")
    take(tmp_path / ".out.part", mine)
    unpack(tmp_path / "set.tar", tmp_path / "out", 10**6, 10)
    assert (tmp_path / "out" / "inside").read_text() == "years of work"


def test_an_archive_is_not_unpacked_into_a_linked_folder(tmp_path, mine):
    import tarfile

    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        tar.add(mine, "inside")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes").write_text("mine")
    (tmp_path / ".out.part").symlink_to(tmp_path / "folder")
    unpack(tmp_path / "set.tar", tmp_path / "out", 10**6, 10)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["notes"]


@pytest.mark.parametrize("take", [link, link_to_nothing, second_name, pipe])
def test_a_file_that_is_made_of_an_archive_is_not_written_through_a_link(tmp_path, mine, take):
    directory = tmp_path / "cinic10"
    directory.mkdir()
    take(directory / ".cinic10.h5.part", mine)
    with serving(cinic10().files) as server:
        fetch(cinic10(server.url).dataset, tmp_path)
    assert [path.name for path in directory.iterdir()] == ["cinic10.h5"]
