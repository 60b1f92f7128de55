"""Answers that are not simply the file: pages, wrong lengths, encodings, redirects, addresses of other kinds."""

import gzip
import subprocess
import sys

import pytest
from support.archives import remote
from support.servers import Reply, serving

from biasloop.downloads import addresses, download
from biasloop.downloads.troubles import Trouble, from_error
from biasloop.errors import DownloadError

CONTENT = bytes(range(256)) * 1000
HTML = b"<!DOCTYPE html>\n<html><body>sign in first</body></html>"


def get(directory, replies, waits, filename="set.bin", content=CONTENT) -> bytes:
    with serving(replies) as server:
        wanted = remote(filename, content, server.url + filename)
        return download(wanted, directory, patience=waits.patience(tries=2)).read_bytes()


def refused(directory, reply, waits, filename="set.bin", content=CONTENT) -> str:
    with pytest.raises(DownloadError) as error:
        get(directory, {filename: reply}, waits, filename, content)
    assert list(directory.iterdir()) == []
    assert waits.seconds == []
    return str(error.value)


def encoded(body: bytes, coding: str, **how) -> Reply:
    return Reply(body, headers=(("Content-Encoding", coding),), **how)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(CONTENT, announced=1000), "the server announces 1,000 bytes, expected 256,000"),
        (Reply(CONTENT, announced=256_001), "the server announces 256,001 bytes, expected 256,000"),
        (CONTENT + b"x", "the server announces 256,001 bytes"),
        (b"", "the server announces 0 bytes"),
        (Reply(HTML, media="text/html"), "an HTML page came instead of the 256,000 bytes expected"),
        (Reply(HTML, media="text/html", announced=-1), "an HTML page came"),
        (Reply(HTML), "an HTML page came"),
        (Reply(b"\n " + HTML.lower()), "an HTML page came"),
        (Reply(b"\xef\xbb\xbf<html>", announced=-1), "an HTML page came"),
        (Reply(HTML + b" " * (256_000 - len(HTML))), "an HTML page came"),
        (Reply(b"<!-- ads --><html>", media="text/html; charset=utf-8"), "an HTML page came"),
        (Reply(CONTENT[::-1] * 20, announced=-1), "more than the 256,000 bytes expected came"),
        (Reply(b"", 204), "HTTP 204"),
        (encoded(gzip.compress(CONTENT, mtime=0), "br"), "its content encoding 'br' is not known"),
        (Reply(CONTENT, headers=(("Transfer-Encoding", "gzip, chunked"),)), "its transfer encoding 'gzip, chunked'"),
    ],
)
def test_what_cannot_be_the_file_is_refused_at_once(tmp_path, waits, reply, reason):
    assert reason in refused(tmp_path, reply, waits)


def test_bytes_after_the_published_ones_do_not_harm(tmp_path, waits):
    assert get(tmp_path, {"set.bin": Reply(CONTENT * 2, announced=-1)}, waits) == CONTENT


def test_an_html_page_may_be_what_is_wanted(tmp_path, waits):
    reply = Reply(HTML, media="text/html")
    assert get(tmp_path, {"page.html": reply}, waits, "page.html", HTML) == HTML


def test_a_wrong_media_type_does_not_matter_if_the_length_is_right(tmp_path, waits):
    assert get(tmp_path, {"set.bin": Reply(CONTENT, media="text/html")}, waits) == CONTENT


def test_chunks(tmp_path, waits):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (CONTENT[:1], CONTENT[1:9999], CONTENT[9999:]))
    reply = Reply(chunks + b"0\r\n\r\n", announced=-1, headers=(("Transfer-Encoding", "chunked"),))
    assert get(tmp_path, {"set.bin": reply}, waits) == CONTENT
    cut = Reply(chunks[:5000], announced=-1, headers=(("Transfer-Encoding", "chunked"),))
    assert get(tmp_path / "cut", {"set.bin": [cut, reply]}, waits) == CONTENT
    assert waits.seconds == [1]


@pytest.mark.parametrize("announced", [None, -1])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_what_the_server_compresses_unasked_is_decompressed(tmp_path, waits, coding, announced):
    assert get(tmp_path, {"set.bin": encoded(gzip.compress(CONTENT), coding, announced=announced)}, waits) == CONTENT


@pytest.mark.parametrize("announced", [None, -1])
def test_a_published_gzip_file_is_not_decompressed(tmp_path, waits, announced):
    packed = gzip.compress(CONTENT)
    reply = encoded(packed, "x-gzip", announced=announced)
    assert get(tmp_path, {"set.tar.gz": reply}, waits, "set.tar.gz", packed) == packed


def test_any_encoding_is_a_mere_label_if_the_length_is_right(tmp_path, waits):
    assert get(tmp_path, {"set.bin": encoded(CONTENT, "x-bzip2")}, waits) == CONTENT


def test_compressed_answers_that_break_off_start_from_zero(tmp_path, waits):
    """Ranges of a compressed file are no ranges of the file."""
    packed = gzip.compress(CONTENT * 3)
    first = encoded(packed, "gzip", cut=len(packed) // 2)
    second = encoded(packed, "gzip", ranges=True)
    with serving({"set.bin": [first, second, encoded(packed, "gzip")]}) as server:
        wanted = remote("set.bin", CONTENT * 3, server.url + "set.bin")
        assert download(wanted, tmp_path, patience=waits.patience()).read_bytes() == CONTENT * 3
    assert server.ranges[0] == server.ranges[-1] == ""


def test_a_part_of_a_compressed_answer_is_not_appended(tmp_path, waits):
    stated = (("Content-Range", "bytes 70000-255999/*"), ("Content-Encoding", "gzip"))
    replies = [Reply(CONTENT, cut=70_000), Reply(b"?" * 186_000, 206, headers=stated), CONTENT]
    with serving({"set.bin": replies}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        said = waits.said.append
        assert download(wanted, tmp_path, patience=waits.patience(), notice=said).read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=70000-", ""]
    assert waits.said[-1] == "set.bin: starting from zero, a part of an encoded file is none of the file"


def test_a_page_is_recognised_though_it_comes_in_pieces(tmp_path, waits):
    assert "an HTML page came" in refused(tmp_path, Reply(b"<!doctype html>", announced=-1, pause=0.1), waits)


@pytest.mark.parametrize("damage", [b"plain", gzip.compress(CONTENT, mtime=0)[:300] + b"?" * 500])
def test_a_damaged_compression_is_tried_again(tmp_path, waits, damage):
    replies = [encoded(damage, "gzip"), CONTENT]
    assert get(tmp_path, {"set.bin": replies}, waits) == CONTENT
    assert waits.seconds == [1]


def test_a_compression_bomb_is_stopped_at_the_size(tmp_path, waits):
    assert "more than" in refused(tmp_path, encoded(gzip.compress(bytes(50_000_000)), "gzip"), waits)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_with_the_range(tmp_path, waits, status):
    there = [Reply(CONTENT, cut=70_000, ranges=True), Reply(CONTENT, ranges=True)]
    replies = {"set.bin": Reply(b"", status, location="/a%20b/c?d=e&f"), "a%20b/c?d=e&f": there}
    with serving(replies) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        assert download(wanted, tmp_path, patience=waits.patience()).read_bytes() == CONTENT
    assert server.asked == ["/set.bin", "/a%20b/c?d=e&f"] * 2
    assert server.ranges == ["", "", "bytes=70000-", "bytes=70000-"]


def test_spaces_in_a_redirect_are_quoted(tmp_path, waits):
    assert get(tmp_path, {"set.bin": Reply(b"", 302, location="/a b"), "a%20b": CONTENT}, waits) == CONTENT


def test_a_redirect_loop_ends(tmp_path, waits):
    with serving({"set.bin": Reply(b"", 302, location="/two"), "two": Reply(b"", 302, location="/set.bin")}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        with pytest.raises(DownloadError, match="it redirects more than 10 times"):
            download(wanted, tmp_path, patience=waits.patience())
    assert len(server.asked) == 11


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("ftp://127.0.0.1/set.bin", "it redirects to ftp://127.0.0.1/set.bin, which is not http or https"),
        ("file:///etc/hostname", "it redirects to file:///etc/hostname, which is not http or https"),
        ("data:text/plain,x", "which is not http or https"),
        ("", "HTTP 302"),
    ],
)
def test_redirects_to_elsewhere_are_refused(tmp_path, waits, location, reason):
    assert reason in refused(tmp_path, Reply(b"", 302, location=location), waits)


def test_a_redirect_may_add_encryption_and_not_take_it_away():
    assert addresses._moved("http://a/b", "https://c/d") == "https://c/d"
    assert addresses._moved("https://a/b", "/d") == "https://a/d"
    with pytest.raises(Trouble, match="from https to http://c/d, which is not encrypted"):
        addresses._moved("https://a/b", "http://c/d")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("ftp://127.0.0.1/x", "ftp:// is not http, https or file"),
        ("data://x", "data:// is not"),
        ("file://server/share/x", "file://server is not"),
        ("http://127.0.0.1:port/x", "port"),
        ("http://", "no host given"),
    ],
)
def test_other_addresses_are_refused(tmp_path, waits, place, reason):
    with pytest.raises(DownloadError, match=reason):
        download(remote("set.bin", CONTENT, place), tmp_path, patience=waits.patience())
    assert waits.seconds == []
    assert list(tmp_path.iterdir()) == []


def test_an_untrusted_certificate_is_final_and_a_broken_handshake_is_not():
    import ssl
    from urllib.error import URLError

    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    final = from_error(URLError(untrusted), 30)
    assert str(final) == "its certificate is not trusted (self-signed certificate)"
    assert final.again.value == "never"
    assert from_error(URLError(ssl.SSLError(1, "unexpected eof")), 30).again.value == "later"


def test_importing_it_loads_nothing_heavy():
    heavy = ["urllib.request", "http.client", "ssl", "tarfile", "zipfile", "random", "numpy"]
    code = f"import sys, biasloop.downloads; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
