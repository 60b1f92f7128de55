"""Servers that answer anything: the file comes as published, or a sentence does, soon."""

import gzip
import json

import numpy as np
import pytest
from support.archives import remote
from support.fuzzing import damaged, trying
from support.patience import Waits
from support.servers import talking

from biasloop.downloads import Remote, download
from biasloop.errors import BiasloopError

CONTENT = bytes(range(256)) * 8
STATUS = [b"200 OK", b"206 Partial", b"200 OK", b"206 P", b"302 Found", b"416 No", b"503 Busy", b"404 \x1b[2J",
          b"100 Continue", b"101 Switch", b"204 None", b"304 Same", b"999 ?", b"-1 x", b"200"]  # fmt: skip
NUMBERS = [b"2048", b"1024", b"0", b"-1", b"9" * 5000, b"1e3", b"", b"2048, 2048", b"99999999999", b"0x800"]
NAMES = [b"Content-Length", b"Content-Range", b"Transfer-Encoding", b"Content-Encoding", b"Content-Type", b"Location",
         b"ETag", b"Last-Modified", b"Retry-After", b"X", b"Connection"]  # fmt: skip


def any_of(values, draws):
    return values[int(draws.integers(0, len(values)))]


def value(name: bytes, draws: np.random.Generator, url: bytes) -> bytes:
    """Something that a header of that name might have."""
    number, other, third = (any_of(NUMBERS, draws) for _ in range(3))
    return any_of(
        {
            b"Content-Length": [number, b"2048"],
            b"Content-Range": [
                b"bytes %s-%s/%s" % (number, other, third),
                b"bytes 1024-2047/2048",
                b"bytes */2048",
                b"?",
            ],
            b"Transfer-Encoding": [b"chunked", b"gzip", b"identity"],
            b"Content-Encoding": [b"gzip", b"identity", b"br", b""],
            b"Content-Type": [b"text/html", b"a/b;;;=", b"\xff"],
            b"Location": [
                url,
                b"http://[::1",
                b"//x:99999999/",
                b"file:///etc/hostname",
                b"\xff\xfe",
                b"?",
                b"http:///",
            ],
            b"ETag": [b'"one"', b'W/"one"', b'"\xff\x01"', b'"' + b"x" * 70_000],
            b"Last-Modified": [b"yesterday", b"Sat, 21 Nov 2026 10:00:00 GMT"],
            b"Retry-After": [number, b"Mon, 99999999999999999999 Jan 2020 00:00:00 GMT", b"Sat, 21 Nov 2026"],
        }.get(name, [number]),
        draws,
    )


def answer(draws: np.random.Generator, url: bytes) -> bytes:
    """A head with any headers, and a body that goes with some of them."""
    if draws.random() < 0.05:
        return draws.bytes(200)
    if draws.random() < 0.2:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2048\r\n\r\n" + CONTENT
    head = b"HTTP/1.%d %s\r\n" % (int(draws.integers(0, 3)), any_of(STATUS, draws))
    for _ in range(int(draws.integers(0, 5))):
        name = any_of(NAMES, draws)
        head += b"%s: %s\r\n" % (name, value(name, draws, url))
    chunk = b"%x\r\n%s\r\n" % (len(CONTENT), CONTENT)
    bodies = [CONTENT, CONTENT[1024:], gzip.compress(CONTENT), chunk + b"0\r\n\r\n", chunk * 2, b"<html>", b"",
              b"-5\r\nx", b"zz\r\n" + CONTENT, CONTENT * 3]  # fmt: skip
    full = head + b"\r\n" + any_of(bodies, draws)
    return damaged(full, draws) if draws.random() < 0.4 else full


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.slow)])
def test_whatever_servers_answer_ends_in_the_file_or_a_sentence(tmp_path, count):
    draws, waits = np.random.default_rng(20261128), Waits()
    patience = waits.patience(tries=2, window=1.0, timeout=0.5, least=1)

    def fetch() -> None:
        assert download(wanted, tmp_path, patience=patience).read_bytes() == CONTENT or not wanted.checksum

    with talking(lambda request: [answer(draws, url)]) as server, trying(BiasloopError) as attempt:
        url = server.url.encode()
        for number in range(count):
            wanted = remote("set.bin", CONTENT, server.url + "x")
            if number % 5 == 4:
                wanted = Remote("set.bin", (server.url + "x",), len(CONTENT), examine=lambda path: None)
            if number % 3 == 0:
                (tmp_path / ".set.bin.part").write_bytes(CONTENT[:1024])
                known = {"checksum": wanted.checksum, "address": "", "validator": "", "size": 2048}
                (tmp_path / ".set.bin.part.json").write_bytes(damaged(json.dumps(known).encode(), draws))
            tries = attempt(fetch)
            (tmp_path / "set.bin").unlink(missing_ok=True)
    assert tries.well > count / 20
    assert tries.refused > count / 20
