"""A partial file is continued where it ends, or not at all: what a server does to prevent it costs no correctness."""

import hashlib
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.archives import remote
from support.patience import Waits
from support.servers import Reply, serving

from biasloop.downloads import arrived, download
from biasloop.errors import DownloadError

CONTENT = bytes(range(256)) * 1000
SIZE = len(CONTENT)
TAG = (("ETag", '"one"'),)


def broken(cut: int, content: bytes = CONTENT, **how) -> Reply:
    """A server of ranges whose line is cut after so many bytes of the file."""
    return Reply(content, announced=None, cut=cut, ranges=True, **{"headers": TAG, **how})


def whole(content: bytes = CONTENT, **how) -> Reply:
    return Reply(content, ranges=True, **{"headers": TAG, **how})


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def leave(directory: Path, content: bytes, wanted, url: str, validator: str = '"one"') -> None:
    """A partial file as an earlier process left it."""
    directory.mkdir(exist_ok=True)
    (directory / ".set.bin.part").write_bytes(content)
    address = hashlib.sha256(url.encode()).hexdigest()
    sidecar = {"checksum": wanted.checksum, "address": address, "validator": validator}
    (directory / ".set.bin.part.json").write_text(json.dumps(sidecar))


def get(directory: Path, waits: Waits, *urls: str, **how) -> bytes:
    told = {"notice": waits.said.append, "patience": waits.patience(), **how}
    return download(remote("set.bin", CONTENT, *urls), directory, **told).read_bytes()


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_line_is_continued_at_exactly_that_byte(tmp_path, waits, reset):
    told: list[int] = []
    replies = [broken(100_001, reset=reset), broken(200_003, reset=reset), whole()]
    with serving({"set.bin": replies}) as server:
        got = get(tmp_path, waits, server.url + "set.bin", progress=lambda done, _: told.append(done))
    assert got == CONTENT
    assert server.ranges == ["", "bytes=100001-", "bytes=200003-"]
    assert server.conditions == ["", '"one"', '"one"']
    assert all(headers["accept-encoding"] == "identity" for headers in server.headers)
    assert told == sorted(told)
    assert told[-1] == SIZE
    assert names(tmp_path) == {"set.bin"}


@settings(max_examples=15, deadline=None)
@example(cuts=[70_000, 0, 20_000], honest=False, tagged=True)
@given(cuts=st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=6), honest=st.booleans(), tagged=st.booleans())
def test_whatever_the_cuts_the_file_is_right_or_an_error_keeps_the_part(tmp_path_factory, cuts, honest, tagged):
    directory, waits = tmp_path_factory.mktemp("any"), Waits()
    headers = TAG if tagged else ()
    replies = [Reply(CONTENT, cut=cut, ranges=honest, headers=headers) for cut in cuts]
    with serving({"set.bin": [*replies, Reply(CONTENT, ranges=honest, headers=headers)]}) as server:
        try:
            assert get(directory, waits, server.url + "set.bin") == CONTENT
            assert names(directory) == {"set.bin"}
        except DownloadError:
            assert len(server.asked) >= 5
            assert get(directory, waits, server.url + "set.bin") == CONTENT
    # what a dishonest server sends replaces what was there, unless nothing comes
    reached = itertools.accumulate(cuts, max if honest else lambda before, cut: cut or before)
    ranges = [f"bytes={cut}-" if cut else "" for cut in [0, *reached]]
    assert server.ranges == ranges[: len(server.ranges)]


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ((("ETag", '"one"'),), '"one"'),
        ((("Last-Modified", "Sat, 21 Nov 2026 10:00:00 GMT"),), "Sat, 21 Nov 2026 10:00:00 GMT"),
        ((("ETag", 'W/"weak"'), ("Last-Modified", "Sat, 21 Nov 2026 10:00:00 GMT")), "Sat, 21 Nov 2026 10:00:00 GMT"),
        ((("ETag", 'W/"weak"'),), ""),
        ((), ""),
    ],
)
def test_the_next_call_continues_with_the_strongest_validator_there_is(tmp_path, waits, headers, condition):
    with serving({"set.bin": [broken(70_000, headers=headers), whole(headers=headers)]}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        with pytest.raises(DownloadError, match="70,000 bytes are kept, and the same command goes on from there"):
            download(wanted, tmp_path, patience=waits.patience(tries=1))
        assert names(tmp_path) == {".set.bin.part", ".set.bin.part.json"}
        assert (tmp_path / ".set.bin.part").read_bytes() == CONTENT[:70_000]
        assert arrived(wanted, tmp_path) == 70_000
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
        assert arrived(wanted, tmp_path) == SIZE
    assert server.ranges == ["", "bytes=70000-"]
    assert server.conditions == ["", condition]
    assert waits.said == ["set.bin: going on after 70,000 of 256,000 bytes"]
    assert names(tmp_path) == {"set.bin"}


def test_a_server_that_ignores_ranges_starts_from_zero(tmp_path, waits):
    with serving({"set.bin": [Reply(CONTENT, cut=70_000), CONTENT]}) as server:
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
    assert server.ranges == ["", "bytes=70000-"]
    assert any("starting from zero" in sentence for sentence in waits.said)


def test_a_file_that_changed_is_fetched_from_zero(tmp_path, waits):
    """The first bytes are of another version: the server says so by answering the condition with the whole file."""
    old = broken(70_000, CONTENT[::-1], headers=(("ETag", '"old"'),))
    with serving({"set.bin": [old, whole()]}) as server:
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
    assert server.conditions == ["", '"old"']
    assert server.ranges == ["", "bytes=70000-"]


def test_a_part_of_a_changed_file_is_noticed_by_its_etag(tmp_path, waits):
    """A server that takes no notice of the condition."""
    old = broken(70_000, CONTENT[::-1], headers=(("ETag", '"old"'),))
    deaf = Reply(CONTENT[70_000:], 206, headers=(("Content-Range", "bytes 70000-255999/256000"), ("ETag", '"new"')))
    with serving({"set.bin": [old, deaf, whole()]}) as server:
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
    assert server.ranges == ["", "bytes=70000-", ""]
    assert "set.bin: starting from zero, the file has changed since" in waits.said
    assert waits.seconds == [1.0]


def test_a_part_without_validator_is_continued_and_the_old_one_kept(tmp_path, waits):
    """RFC 9110, 15.3.7: a 206 that answers a condition need not repeat the date."""
    parts = [
        Reply(CONTENT[start:], 206, headers=(("Content-Range", f"bytes {start}-255999/256000"),), cut=length)
        for start, length in ((70_000, 90_000), (160_000, 96_000))
    ]
    with serving({"set.bin": [broken(70_000), *parts]}) as server:
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
    assert server.conditions == ["", '"one"', '"one"']
    assert server.ranges == ["", "bytes=70000-", "bytes=160000-"]


def test_416_starts_from_zero_once(tmp_path, waits):
    never = Reply(CONTENT, status=416)
    with serving({"set.bin": [never, CONTENT], "gone": never}) as server:
        wanted = remote("set.bin", CONTENT)
        leave(tmp_path, CONTENT[:70_000], wanted, server.url + "set.bin")
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
        assert server.ranges == ["bytes=70000-", ""]
        leave(tmp_path / "other", CONTENT[:70_000], wanted, server.url + "gone")
        with pytest.raises(DownloadError, match="gone: HTTP 416"):
            get(tmp_path / "other", waits, server.url + "gone")
        assert server.ranges[2:] == ["bytes=70000-", ""]
    assert waits.seconds == []


@pytest.mark.parametrize(
    "stated",
    ["bytes 0-255999/256000", "bytes 69999-255999/256000", "lines 1-2/3", ""],
)
def test_another_part_than_asked_for_is_not_appended(tmp_path, waits, stated):
    wrong = Reply(CONTENT[70_000:], 206, headers=(("Content-Range", stated),))
    with serving({"set.bin": [wrong, CONTENT]}) as server:
        leave(tmp_path, CONTENT[:70_000], remote("set.bin", CONTENT), server.url + "set.bin")
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
    assert server.ranges == ["bytes=70000-", ""]


def test_a_part_of_a_larger_file_is_refused_and_what_was_there_is_kept(tmp_path, waits):
    with serving({"set.bin": whole(CONTENT * 2), "good": whole()}) as server:
        leave(tmp_path, CONTENT[:70_000], remote("set.bin", CONTENT), "elsewhere")
        with pytest.raises(DownloadError, match="the server announces 512,000 bytes, expected 256,000"):
            get(tmp_path, waits, server.url + "set.bin")
        assert get(tmp_path, waits, server.url + "good") == CONTENT
    assert server.ranges == ["bytes=70000-"] * 2


def test_another_mirror_continues_without_the_first_ones_validator(tmp_path, waits):
    with serving({"a": [broken(70_000), Reply(b"", 404)], "b": whole(headers=(("ETag", '"b"'),))}) as server:
        assert get(tmp_path, waits, server.url + "a", server.url + "b") == CONTENT
    assert server.asked == ["/a", "/a", "/b"]
    assert server.ranges == ["", "bytes=70000-", "bytes=70000-"]
    assert server.conditions == ["", '"one"', ""]


@pytest.mark.parametrize("page", [Reply(b"<html>sign in", media="text/html"), Reply(b"<!doctype html>", announced=-1)])
def test_a_sign_in_page_does_not_cost_what_has_come(tmp_path, waits, page):
    with serving({"set.bin": [page, whole()]}) as server:
        leave(tmp_path, CONTENT[:200_000], remote("set.bin", CONTENT), server.url + "set.bin")
        with pytest.raises(DownloadError, match="an HTML page came instead"):
            get(tmp_path, waits, server.url + "set.bin")
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
    assert server.ranges == ["bytes=200000-"] * 2


def test_pieces_with_a_wrong_checksum_are_thrown_away_and_fetched_once_more(tmp_path, waits):
    with serving({"set.bin": whole()}) as server:
        leave(tmp_path, b"?" * 70_000, remote("set.bin", CONTENT), server.url + "set.bin")
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
    assert server.ranges == ["bytes=70000-", ""]
    assert any("it came in 2 pieces and is fetched once more from zero" in sentence for sentence in waits.said)


def test_after_the_fresh_try_a_wrong_checksum_is_an_error_and_nothing_is_kept(tmp_path, waits):
    wrong = CONTENT[:-1] + b"!"
    replies = [broken(70_000, wrong), whole(wrong), broken(80_000, wrong), whole(wrong)]
    with serving({"set.bin": replies}) as server, pytest.raises(DownloadError, match="its checksum is sha256:"):
        get(tmp_path, waits, server.url + "set.bin")
    assert server.ranges == ["", "bytes=70000-", "", "bytes=80000-"]
    assert names(tmp_path) == set()


def test_a_wrong_file_in_one_answer_is_not_fetched_twice(tmp_path, waits):
    with serving({"set.bin": CONTENT[:-1] + b"!"}) as server, pytest.raises(DownloadError, match="its checksum is"):
        get(tmp_path, waits, server.url + "set.bin")
    assert len(server.asked) == 1
    assert names(tmp_path) == set()


def test_a_complete_part_is_taken_without_asking(tmp_path, waits):
    """Killed between the last byte and the rename."""
    leave(tmp_path, CONTENT, remote("set.bin", CONTENT), "")
    assert get(tmp_path, waits, "http://127.0.0.1:9/never-asked") == CONTENT
    assert names(tmp_path) == {"set.bin"}
    leave(tmp_path / "bad", CONTENT[::-1], remote("set.bin", CONTENT), "")
    with serving({"set.bin": whole()}) as server:
        assert get(tmp_path / "bad", waits, server.url + "set.bin") == CONTENT
    assert server.ranges == [""]


@pytest.mark.parametrize(
    "sidecar",
    [None, b"", b"\xff{", b"[]", b"{}", json.dumps({"checksum": "sha256:" + "0" * 64, "address": "", "validator": ""})],
)
def test_a_part_of_unknown_or_other_content_is_not_continued(tmp_path, waits, sidecar):
    with serving({"set.bin": whole()}) as server:
        leave(tmp_path, CONTENT[:70_000], remote("set.bin", CONTENT), server.url + "set.bin")
        path = tmp_path / ".set.bin.part.json"
        path.unlink() if sidecar is None else path.write_bytes(
            sidecar if isinstance(sidecar, bytes) else sidecar.encode()
        )
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
    assert server.ranges == [""]


def test_a_part_larger_than_the_file_is_not_continued(tmp_path, waits):
    with serving({"set.bin": whole()}) as server:
        leave(tmp_path, CONTENT + b"x", remote("set.bin", CONTENT), server.url + "set.bin")
        assert get(tmp_path, waits, server.url + "set.bin") == CONTENT
    assert server.ranges == [""]


def test_the_sidecar_does_not_tell_a_secret_address(tmp_path, waits):
    with serving({"set.bin?token=SECRET": broken(70_000)}) as server, pytest.raises(DownloadError):
        get(tmp_path, waits, server.url + "set.bin?token=SECRET", patience=waits.patience(tries=1))
    assert "SECRET" not in (tmp_path / ".set.bin.part.json").read_text()


def test_a_local_copy_replaces_what_has_come(tmp_path, waits):
    (tmp_path / "copy").write_bytes(CONTENT)
    leave(tmp_path / "data", CONTENT[:70_000], remote("set.bin", CONTENT), "elsewhere")
    assert get(tmp_path / "data", waits, source=str(tmp_path / "copy")) == CONTENT
    assert names(tmp_path / "data") == {"set.bin"}
