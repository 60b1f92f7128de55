"""imSitu: three JSON files and a tar of photographs, without published checksums; fetched, and read in place."""

import io
import json
import tarfile
from dataclasses import replace

import pytest
from support import imsitu
from support.archives import tar_gz
from support.servers import Reply, serving

from biasloop.datasets import asset, fetch
from biasloop.datasets.imsitu import ANNOTATIONS, ARCHIVE
from biasloop.datasets.streaming import Unreadable
from biasloop.datasets.tarred_images import contents, names, why_damaged
from biasloop.downloads import Patience
from biasloop.errors import DownloadError

QUICK = Patience(timeout=5, tries=2, sleep=lambda _: None)
MADE = imsitu.records(images_per_verb=3)
FILES = imsitu.files(MADE)
CONTENT = FILES[ARCHIVE]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def at(url):
    """The published description, its files published at a local address and small."""
    published = asset("imsitu")
    return replace(
        published,
        remotes=tuple(replace(one, urls=(url + one.filename,), size=20_000) for one in published.remotes),
    )


def test_as_published():
    published = asset("imsitu")
    assert [one.filename for one in published.remotes] == [*ANNOTATIONS, ARCHIVE]
    assert [one.urls for one in published.remotes] == [
        *((f"https://raw.githubusercontent.com/my89/imSitu/master/{name}",) for name in ANNOTATIONS),
        ("https://s3.amazonaws.com/my89-frame-annotation/public/of500_images_resized.tar",),
    ]
    assert 3.7e9 < published.bytes < 3.8e9
    assert published.kind == "data"


def test_fetched_once_and_left_as_published(tmp_path):
    with serving(FILES) as server:
        dataset = at(server.url)
        assert not dataset.present(tmp_path)
        assert [path.name for path in fetch(dataset, tmp_path)] == [*ANNOTATIONS, ARCHIVE]
        assert fetch(dataset, tmp_path) == []
        assert len(server.asked) == 4
    assert dataset.present(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "imsitu").iterdir()} == FILES


def test_a_broken_download_of_the_archive_goes_on(tmp_path):
    cut = Reply(CONTENT, ranges=True, cut=len(CONTENT) // 2, headers=(("ETag", '"a"'),))
    with serving({**FILES, ARCHIVE: [cut, replace(cut, cut=None)]}) as server:
        fetch(at(server.url), tmp_path, patience=QUICK)
        assert server.asked.count(f"/{ARCHIVE}") == 2
        assert 0 < int(server.ranges[-1].removeprefix("bytes=").removesuffix("-")) < len(CONTENT)
    assert (tmp_path / "imsitu" / ARCHIVE).read_bytes() == CONTENT


def members(content=CONTENT):
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getmembers()


LAST = members()[-1]
END = LAST.offset_data + -(-LAST.size // 512) * 512


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[: LAST.offset_data + 10], "it is no whole tar archive"),  # within an image
        (CONTENT[: LAST.offset + 100], "it is no whole tar archive|cut off"),  # within a head
        (CONTENT[: LAST.offset], "it is cut off: it lacks the end"),  # between two members
        (CONTENT[:END], "it is cut off: it lacks the end"),
        (b"<!doctype html><title>busy</title>", "a page|no whole tar archive|HTML"),
        (tar_gz({"a.txt": b"words"}), "it holds no image files"),
    ],
)
def test_an_archive_that_is_cut_off_is_not_taken_for_one(tmp_path, content, message):
    with serving({**FILES, ARCHIVE: content}) as server:
        with pytest.raises(DownloadError, match=rf"cannot fetch {ARCHIVE}.*({message})") as error:
            fetch(at(server.url), tmp_path, patience=QUICK)
        assert "no checksum is published" in str(error.value)
        assert fetch(at(server.url), tmp_path, str(put(tmp_path, CONTENT)), patience=QUICK)


def put(tmp_path, content):
    folder = tmp_path / "elsewhere"
    folder.mkdir(exist_ok=True)
    for name, some in {**FILES, ARCHIVE: content}.items():
        (folder / name).write_bytes(some)
    return folder


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (FILES["dev.json"][:-40], "it is no JSON"),
        (b"[1, 2]", "it is no JSON object"),
        (b"{}", "it is no JSON object"),
        (json.dumps({"nouns": {}, "verbs": {}}).encode(), "its entry 'nouns' has no verb and frames"),
    ],
)
def test_what_has_no_annotations_is_not_taken_for_them(tmp_path, content, message):
    refused = pytest.raises(DownloadError, match=rf"cannot fetch dev\.json.*{message}")
    with serving({**FILES, "dev.json": content}) as server, refused:
        fetch(at(server.url), tmp_path, patience=QUICK)


def test_images_of_an_archive_are_read_where_they_lie(tmp_path):
    archive = tmp_path / ARCHIVE
    archive.write_bytes(CONTENT)
    assert names(archive) == sorted(MADE)
    wanted = {"riding_1.jpg", "cooking_0.jpg"}
    by_name = dict(contents(archive, wanted))
    assert list(by_name) == sorted(wanted)
    order = list(MADE)
    assert by_name == {name: imsitu.jpeg(order.index(name)) for name in sorted(wanted)}
    assert sorted(path.name for path in tmp_path.iterdir()) == [ARCHIVE]


def test_compressed_archives_read_too_and_other_members_are_passed_over(tmp_path):
    archive = tmp_path / "some.tar.gz"
    link = tarfile.TarInfo("images/link.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    odd = {"../a.jpg": b"1", "notes.txt": b"words", "images/._a.jpg": b"junk", "images/link.jpg": link, "b.JPG": b"2"}
    archive.write_bytes(tar_gz(odd))
    assert names(archive) == ["a.jpg", "b.JPG"]
    assert dict(contents(archive, {"a.jpg", "b.JPG"})) == {"a.jpg": b"1", "b.JPG": b"2"}
    archive.write_bytes(archive.read_bytes()[:-30])
    assert "no whole tar archive" in str(why_damaged(archive))


def test_members_of_odd_sizes_are_refused(tmp_path):
    archive = tmp_path / "some.tar"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("small.jpg"))
    head = tarfile.TarInfo("huge.jpg")
    head.size = 1 << 40
    archive.write_bytes(head.tobuf() + bytes(2048))
    with pytest.raises(Unreadable, match=r"'huge.jpg' has 1,099,511,627,776 bytes|no whole tar archive"):
        names(archive)
