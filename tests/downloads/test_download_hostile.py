"""Servers that are slow, endless or absurd: each ends in a sentence or the next mirror, and nothing gets stuck."""

import itertools
import json
import os
import time

import pytest
from support.archives import remote
from support.servers import Reply, serving, talking

from biasloop.downloads import Patience, Remote, download, is_remote
from biasloop.downloads.pace import Pace, TooSlow
from biasloop.downloads.troubles import Trouble
from biasloop.errors import BiasloopError, DownloadError, InvalidInput

CONTENT = bytes(range(256)) * 1000
SIZE = len(CONTENT)
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 256000\r\n\r\n"


def hasty(waits, **changed) -> Patience:
    return waits.patience(**{"tries": 2, "window": 0.3, "least": 1000, "timeout": 2.0, **changed})


def refused(directory, pieces, waits, **changed) -> str:
    """The sentence on a server that sends this, and that the next mirror then gives the file."""
    with talking(pieces) as server, serving({"good": CONTENT}) as mirror:
        begun = time.monotonic()
        with pytest.raises(DownloadError) as error:
            download(remote("set.bin", CONTENT, server.url), directory, patience=hasty(waits, **changed))
        assert time.monotonic() - begun < 20
        wanted = remote("set.bin", CONTENT, server.url, mirror.url + "good")
        assert download(wanted, directory, patience=hasty(waits, **changed)).read_bytes() == CONTENT
    assert "\n" not in str(error.value)
    assert str(error.value).isprintable()
    return str(error.value)


def trickle(head: bytes, piece: bytes, seconds: float = 0.01):
    """A head, and then pieces without end."""
    return lambda request: itertools.chain([head], itertools.chain.from_iterable(itertools.repeat((piece, seconds))))


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        (trickle(OK + LENGTH, b"x"), "bytes in 0.3 s, and 1,000 are the least"),
        (trickle(OK + b"\r\n", b"x"), "bytes in 0.3 s, and 1,000 are the least"),
        (trickle(b"", b"H"), "the server did not come to the point in 0.3 s"),
        (trickle(OK, b"X"), "the server did not come to the point in 0.3 s"),
        (trickle(OK, b"X: y\r\n"), "the server did not come to the point in 0.3 s"),
        (trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "the server did not come to the point in 0.3 s"),
        (trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500, 0.0), "the server did not come to the point in 0.3 s"),
        (trickle(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"), "the server did not come to the point in 0.3 s"),
        (trickle(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), "bytes in 0.3 s, and 1,000 are"),
        (
            trickle(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 500, 0.0),
            "the server did not come to the point in 0.3 s",
        ),
        (
            trickle(OK + b"Content-Encoding: gzip\r\n\r\n" + b"\x1f\x8b\x08\x08" + bytes(6), b"n" * 5000, 0.0),
            "the server did not come to the point in 0.3 s",
        ),
    ],
    ids=["body", "body-without-length", "status", "header", "headers", "continue", "continue-fast", "chunk-size",
         "chunks", "trailers", "gzip-name"],
)  # fmt: skip
def test_a_server_that_takes_for_ever_ends_at_a_deadline_and_the_next_mirror_is_tried(tmp_path, waits, pieces, reason):
    message = refused(tmp_path, pieces, waits)
    assert reason in message
    assert "and it failed 2 times in a row" in message


def test_a_slow_server_that_is_fast_enough_is_waited_for(tmp_path, waits):
    def pieces(request):
        yield OK + LENGTH
        for start in range(0, SIZE, 32_000):
            yield CONTENT[start : start + 32_000]
            yield 0.1

    with talking(pieces) as server:
        wanted = remote("set.bin", CONTENT, server.url)
        assert download(wanted, tmp_path, patience=hasty(waits, tries=3)).read_bytes() == CONTENT


def test_what_a_trickle_brought_is_kept_and_does_not_count_as_progress(tmp_path, waits):
    def pieces(request):
        start = int(request.partition(b"bytes=")[2].partition(b"-")[0] or 0)
        yield b"HTTP/1.1 206 P\r\n" if start else OK
        yield b"Content-Range: bytes %d-255999/256000\r\n" % start if start else b""
        yield b"Content-Length: %d\r\n\r\n" % (SIZE - start)
        for at in itertools.count(start, 3000):
            yield CONTENT[at : at + 3000]
            yield 0.05

    with talking(pieces) as server, pytest.raises(DownloadError, match="it failed 3 times in a row") as error:
        wanted = remote("set.bin", CONTENT, server.url)
        download(wanted, tmp_path, patience=hasty(waits, least=100_000, tries=3))
    assert len(server.requests) == 3
    assert "bytes are kept" in str(error.value)


def test_a_window_brings_enough_or_is_the_last():
    now = [0.0]
    pace = Pace(60, 1000, lambda: now[0])
    pace.begin()
    for _ in range(5):
        now[0] += 59.0
        pace.count(999)
        now[0] += 1.0
        pace.count(1)
    now[0] += 60.0
    with pytest.raises(TooSlow, match="gave 999 bytes in 60 s, and 1,000 are the least"):
        pace.count(999)
    pace.wait()
    now[0] += 60.0
    pace.check()
    now[0] += 0.1
    with pytest.raises(TooSlow, match="did not come to the point in 60 s"):
        pace.check()


def test_files_here_may_come_as_slowly_as_they_do():
    pace = Pace()
    pace.wait()
    pace.check()
    pace.count(0)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"Content-Length: " + b"9" * 5000, "a number of bytes with 5,000 digits, expected 256,000 bytes"),
        (b"Content-Length: -5", "its Content-Length '-5' is no number of bytes, expected 256,000 bytes"),
        (b"Content-Length: many", "its Content-Length 'many' is no number of bytes"),
        (b"Content-Length: 0x10", "its Content-Length '0x10' is no number of bytes"),
        (b"Content-Length: 256000\r\nContent-Length: 1", "is no number of bytes"),
        (b"Content-Length: ", "its Content-Length '' is no number of bytes"),
        (b"X: " + b"y" * 70_000, "its answer is no HTTP"),
        (b"X: y\r\n" * 200, "its answer is no HTTP (got more than 100 headers)"),
        (b"Transfer-Encoding: " + b"z" * 1000, "its transfer encoding"),
        (b"Content-Encoding: br\r\nContent-Length: 3", "its content encoding 'br' is not known"),
    ],
)
def test_absurd_heads_are_a_sentence(tmp_path, waits, head, reason):
    assert reason in refused(tmp_path, lambda request: [OK + head + b"\r\n\r\n" + CONTENT], waits)


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\0" * 100, b"\x1b[31mred\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"HTTP/1.1 2 OK\r\n\r\n",
        b"HTTP/1.1 " + b"2" * 5000 + b" OK\r\n\r\n", b"HTTP/1.1 404 \x1b]0;owned\x07\r\n\r\n", b"SSH-2.0-x\r\n",
        b"HTTP/1.1 999 What\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:99999999/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1/x\r\n\r\n", b"HTTP/1.1 301 M\r\nLocation: http://[zz]/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://a..b/\r\n\r\n", b"HTTP/1.1 302 F\r\nLocation: //[\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://" + b"a" * 70 + b"/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:" + b"9" * 5000 + b"/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/x\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/hostname\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: Mon, 99999999999999999999 Jan 2020 00:00:00 GMT\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc", OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 6000 + b"\r\nabc",
        OK + b"Content-Encoding: gzip\r\n\r\nno gzip",
    ],
)  # fmt: skip
def test_absurd_answers_are_a_sentence(tmp_path, waits, answer):
    assert "cannot fetch set.bin" in refused(tmp_path, lambda request: [answer], waits, window=5.0)


def test_a_malformed_redirect_is_named(tmp_path, waits):
    reply = Reply(b"", 302, location="http://[::1")
    with serving({"set.bin": reply}) as server, pytest.raises(DownloadError) as error:
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path, patience=waits.patience())
    assert "it redirects to http://[::1, which is no address (Invalid IPv6 URL)" in str(error.value)


@pytest.mark.parametrize("place", ["http://[::1", "http://[::1/x", "https://[", "http://127.0.0.1:99999999/"])
def test_an_address_that_is_none_is_a_sentence(tmp_path, waits, place):
    assert is_remote(place)
    with pytest.raises(DownloadError, match="cannot fetch set.bin"):
        download(remote("set.bin", CONTENT), tmp_path, source=place, patience=waits.patience())
    with pytest.raises(BiasloopError, match="the network must not be used"):
        download(remote("set.bin", CONTENT), tmp_path, source=place, patience=waits.patience(), offline=True)


def test_paths_that_are_none_are_a_sentence(tmp_path, waits):
    for place in ("file:///%00", "~nobody-is-called-so/x", "a\0b", str(tmp_path / "nothing")):
        with pytest.raises(DownloadError, match="cannot fetch set.bin"):
            download(remote("set.bin", CONTENT), tmp_path / "data", source=place, patience=waits.patience())


def test_a_pipe_or_a_device_is_not_waited_for(tmp_path, waits):
    os.mkfifo(tmp_path / "pipe")
    for place, kind in (
        (tmp_path / "pipe", "a pipe"),
        ("/dev/zero", "a device"),
        (f"file://{tmp_path}/pipe", "a pipe"),
    ):
        with pytest.raises(InvalidInput, match=f"is {kind}; expected a file"):
            download(remote("set.bin", CONTENT), tmp_path / "data", source=str(place), patience=waits.patience())
    assert list((tmp_path / "data").iterdir()) == []


def leave(directory, wanted, done: int, **changed) -> None:
    """A partial file as an earlier process left it."""
    directory.mkdir(exist_ok=True)
    (directory / ".set.bin.part").write_bytes(CONTENT[:done])
    sidecar = {"checksum": wanted.checksum, "address": "", "validator": "", **changed}
    (directory / ".set.bin.part.json").write_text(json.dumps(sidecar))


RANGE = (("Content-Range", "bytes 70000-255999/256000"),)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(CONTENT[70_000:], headers=RANGE),  # the part, as status 200
        Reply(CONTENT[70_000:], headers=RANGE, announced=-1),
        Reply(CONTENT, headers=RANGE),  # all of it, and a word too much
        Reply(CONTENT, headers=(("Content-Range", "bytes 0-255999/256000"),)),
        Reply(CONTENT, headers=(("Content-Range", "bytes 0-255999/256000"),), announced=-1),
        Reply(CONTENT[70_000:]),  # the part, and not a word
        Reply(CONTENT[70_000:], headers=(("Content-Range", "?" * 100),)),
        Reply(CONTENT[70_000:], 206, headers=(("Content-Range", f"bytes 70000-255999/{'9' * 5000}"),)),
        Reply(CONTENT[70_000:], 206, headers=(("Content-Range", "bytes 70000-69999/256000"),)),
        Reply(CONTENT[70_000:], 206, headers=(("Content-Range", "bytes ²-³/¹"),)),
        Reply(CONTENT[70_000:], 206),
    ],
)
def test_no_answer_to_a_range_gets_stuck(tmp_path, waits, reply):
    """A server that gives the file to who asks for all of it, and something odd to who asks for a part."""
    with serving({"set.bin": [reply, CONTENT]}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        leave(tmp_path, wanted, 70_000)
        path = download(wanted, tmp_path, patience=waits.patience(), notice=waits.said.append)
        assert path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=70000-", ""][: len(server.ranges)]


def test_a_server_that_answers_every_range_oddly_is_given_up(tmp_path, waits):
    """It breaks off, and what it gives to who goes on is no part: five times is enough."""
    odd = Reply(CONTENT[70_000:], headers=RANGE)
    replies = [Reply(CONTENT, cut=70_000), odd] * 20
    with serving({"set.bin": replies}) as server, pytest.raises(DownloadError, match="it could not go on 6 times"):
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        download(wanted, tmp_path, patience=waits.patience(), notice=waits.said.append)
    assert len(server.asked) == 12


def test_what_was_reached_before_is_forgotten_when_a_download_begins_anew(tmp_path, waits):
    """The file has changed after 200,000 bytes; the new one comes in pieces, each of which is progress."""
    gone = Reply(b"", 416)
    pieces = [Reply(CONTENT, cut=n * 20_000, ranges=True) for n in range(1, 13)]
    with serving({"set.bin": [gone, *pieces, Reply(CONTENT, ranges=True)]}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        leave(tmp_path, wanted, 200_000)
        assert download(wanted, tmp_path, patience=waits.patience()).read_bytes() == CONTENT
    assert waits.seconds == [1] * 12


def test_what_another_server_reached_is_forgotten_by_one_that_begins_from_zero(tmp_path, waits):
    pieces = [Reply(CONTENT, cut=n * 20_000) for n in range(1, 13)]
    with serving({"set.bin": [*pieces, CONTENT]}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        leave(tmp_path, wanted, 200_000)
        assert download(wanted, tmp_path, patience=waits.patience()).read_bytes() == CONTENT
    assert waits.seconds == [1] * 12


@pytest.mark.parametrize("size", ["many", -1, 1.5, True, [1], 10**400, {"a": 1}])
def test_a_part_whose_description_is_odd_is_not_continued(tmp_path, waits, size):
    with serving({"set.bin": CONTENT}) as server:
        wanted = Remote("set.bin", (server.url + "set.bin",), 1000, examine=lambda path: None)
        leave(tmp_path, wanted, 70_000, size=size)
        assert download(wanted, tmp_path, patience=waits.patience()).read_bytes() == CONTENT
    assert server.ranges == [""]


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '{"checksum": []}', '"checksum"'])
def test_a_description_that_does_not_read_is_none(tmp_path, waits, text):
    with serving({"set.bin": CONTENT}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        leave(tmp_path, wanted, 70_000)
        (tmp_path / ".set.bin.part.json").write_text(text)
        assert download(wanted, tmp_path, patience=waits.patience()).read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ['"é"', '"' + "x" * 5000 + '"', '"a\tb"'])
def test_an_etag_that_cannot_be_sent_back_is_none(tmp_path, waits, tag):
    first = Reply(CONTENT, cut=70_000, ranges=True, headers=(("ETag", tag),))
    with serving({"set.bin": [first, Reply(CONTENT, ranges=True)]}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        assert download(wanted, tmp_path, patience=waits.patience()).read_bytes() == CONTENT
    assert server.conditions == ["", ""]
    assert server.ranges == ["", "bytes=70000-"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_of_unknown_size_does_not_come_without_end(tmp_path, waits, monkeypatch, chunked):
    monkeypatch.setattr("biasloop.downloads.remote._LENIENCY", 1_000_000)
    block = b"%x\r\n%s\r\n" % (SIZE, CONTENT) if chunked else CONTENT
    head = OK + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n")
    with talking(trickle(head, block, 0.0)) as server:
        wanted = Remote("set.bin", (server.url,), 1000, examine=lambda path: None)
        with pytest.raises(DownloadError, match="more than 1,001,000 bytes came, expected about 1,000 bytes"):
            download(wanted, tmp_path, patience=waits.patience())
    assert list(tmp_path.iterdir()) == []


def test_an_announced_size_beyond_reason_is_refused_before_it_comes(tmp_path, waits):
    with serving({"set.bin": Reply(CONTENT, announced=10**15)}) as server:
        wanted = Remote("set.bin", (server.url + "set.bin",), 1000, examine=lambda path: None)
        with pytest.raises(DownloadError, match="announces 1,000,000,000,000,000 bytes, expected about 1,000 bytes"):
            download(wanted, tmp_path, patience=waits.patience())


def test_chunks_beyond_the_published_size_are_not_read(tmp_path, waits):
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    with talking(trickle(head + b"%x\r\n%s\r\n" % (SIZE, CONTENT), b"1\r\nx\r\n", 0.0)) as server:
        assert (
            download(remote("set.bin", CONTENT, server.url), tmp_path, patience=waits.patience()).read_bytes()
            == CONTENT
        )


def test_what_a_server_says_is_printed_without_its_control_characters():
    assert str(Trouble("HTTP 404 \x1b]0;owned\x07\u202e")) == "HTTP 404 ?]0;owned??"
