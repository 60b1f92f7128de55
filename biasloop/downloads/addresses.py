"""Open what lies at a URL or path: http, https and file, by redirect too, from a given byte on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from biasloop.downloads.pace import Pace, handlers
from biasloop.downloads.patience import Patience
from biasloop.downloads.remote import Remote
from biasloop.downloads.troubles import Again, StaleRange, Trouble, from_error
from biasloop.system.regular import require_regular

if TYPE_CHECKING:
    from email.message import Message
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector

BLOCK = 1 << 16
"""Most bytes read at a time, and so the step of progress."""

REDIRECTS = 10
"""Most redirects followed."""

_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*(<!doctype html|<html)", re.IGNORECASE)
_TELLING = 512  # bytes; a page may have blank lines first
_MOVED = {301, 302, 303, 307, 308}
_DIGITS = 18  # of a number of bytes
_RANGE = re.compile(rf"bytes ([0-9]{{1,{_DIGITS}}})-([0-9]{{1,{_DIGITS}}})/([0-9]{{1,{_DIGITS}}}|\*)")
_SENDABLE = re.compile(r"[ -~]{0,500}")  # what an HTTP header may hold without harm
_LONGEST = 200  # characters that are shown of what a server said


class Stream(Protocol):
    """Gives what has come, without waiting for a whole block."""

    def read1(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


@dataclass
class Answer:
    """What an address gives.

    Attributes:
        stream: its bytes.
        start: position of the first of them in the file.
        validator: a strong ETag or a Last-Modified date; empty if the server states none.
        timeout: seconds that the server may stay silent.
        total: bytes of the whole file, if that is said.
        pace: how fast it has to come; a file here may come as it does.
    """

    stream: Stream
    start: int = 0
    validator: str = ""
    timeout: float = 0.0
    total: int | None = None
    pace: Pace = field(default_factory=Pace)

    def read(self) -> bytes:
        """Some bytes; none at the end.

        Raises:
            Trouble: if the connection breaks off or falls silent, or the server is too slow.
        """
        import zlib
        from http.client import HTTPException

        try:
            self.pace.wait()
            block = self.stream.read1(BLOCK)
            self.pace.count(len(block))
            return block
        except (OSError, HTTPException, ValueError) as error:
            raise from_error(error, self.timeout) from error
        except zlib.error as error:
            raise Trouble(f"its gzip encoding is damaged ({error})", Again.LATER) from error

    def beginning(self) -> bytes:
        """The first bytes: enough to recognise a page, or all there are; raises as `read` does."""
        begun = block = self.read()
        while block and len(begun) < _TELLING:
            block = self.read()
            begun += block
        return begun


def is_remote(address: str) -> bool:
    """Whether the network is needed for a URL or path."""
    return "://" in address and address.partition(":")[0].lower() != "file"


@contextmanager
def opened(address: str, remote: Remote, start: int, validator: str, patience: Patience) -> Iterator[Answer]:
    """What lies at a URL or path.

    Args:
        address: a URL or a path.
        remote: what should lie there.
        start: bytes of it that are there already; the server may answer from there on, or from zero.
        validator: what this server called its file when it gave them; empty if that is not known.
        patience: how long a server may take.

    Raises:
        Trouble: if it cannot be opened, or cannot be what is wanted.
        StaleRange: if the server has nothing that continues what is there.
        InvalidInput: if a path is that of a pipe or a device.
    """
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        parts = urlsplit(address) if "://" in address else None
    except ValueError as error:
        raise Trouble(f"it is no address ({error})") from error
    if parts is None:
        local = Path(address)
    elif parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        local = Path(url2pathname(parts.path))
    elif parts.scheme in {"http", "https"}:
        headers = {"User-Agent": "biasloop", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator:
                headers["If-Range"] = validator
        pace = Pace.of(patience)
        try:
            response = _respond(address, headers, patience.timeout, pace)
        except _NoSuchRange as error:
            raise (StaleRange if start else Trouble)("HTTP 416 Range Not Satisfiable") from error
        with response:
            pace.begin()
            yield _answer(response, remote, start, validator, Answer(response, 0, "", patience.timeout, None, pace))
        return
    else:
        raise Trouble(f"{parts.scheme}://{parts.netloc if parts.scheme == 'file' else ''} is not http, https or file")
    with _local(local, remote) as answer:
        yield answer


@contextmanager
def _local(path: Path, remote: Remote) -> Iterator[Answer]:
    try:
        require_regular(path)
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        raise Trouble(getattr(error, "strerror", None) or str(error)) from error
    with stream:
        size = path.stat().st_size
        if not remote.may_have(size):
            raise Trouble(f"it has {size:,} bytes, expected {remote.size:,}")
        yield Answer(stream, total=size)


class _NoSuchRange(Exception):
    """HTTP 416."""


def _respond(url: str, headers: dict[str, str], timeout: float, pace: Pace) -> "HTTPResponse":
    """The final response, after redirects; its status is 200 or 206."""
    from http.client import HTTPException, HTTPResponse
    from urllib.error import HTTPError
    from urllib.request import Request

    opener = _opener(pace)
    for _ in range(REDIRECTS + 1):
        try:
            request = Request(url, headers=headers)  # noqa: S310 (http or https: `opened` and `_moved` see to it)
            pace.wait()
            response = opener.open(request, timeout=timeout)
        except HTTPError as error:
            with error:
                if error.code in _MOVED and error.headers.get("Location"):
                    url = _moved(url, error.headers["Location"])
                    continue
                if error.code == 416:
                    raise _NoSuchRange from error
                raise from_error(error, timeout) from error
        except (OSError, HTTPException, ValueError, OverflowError) as error:  # a port beyond 65535 overflows
            raise from_error(error, timeout) from error
        assert isinstance(response, HTTPResponse)
        if response.status in {200, 206}:
            return response
        response.close()
        raise Trouble(f"HTTP {response.status} {response.reason}")
    raise Trouble(f"it redirects more than {REDIRECTS} times")


def _moved(url: str, location: str) -> str:
    """Where a redirect leads."""
    from urllib.parse import quote, urljoin, urlsplit

    location = quote(location, safe="%/:?#[]@!$&'()*+,;=~-._|", encoding="iso-8859-1")
    try:
        target = urljoin(url, location)
        before, after = urlsplit(url).scheme, urlsplit(target).scheme
    except ValueError as error:
        raise Trouble(f"it redirects to {location[:_LONGEST]}, which is no address ({error})") from error
    if after not in {"http", "https"}:
        raise Trouble(f"it redirects to {target}, which is not http or https")
    if before == "https" and after == "http":
        raise Trouble(f"it redirects from https to {target}, which is not encrypted")
    return target


def _opener(pace: Pace) -> "OpenerDirector":
    """Opens http and https and no more; urllib's own also knows ftp, file and data, and follows redirects itself."""
    from urllib import request

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(), *handlers(pace),
        request.HTTPDefaultErrorHandler(), request.HTTPErrorProcessor(), request.UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


def _answer(response: "HTTPResponse", remote: Remote, start: int, validator: str, answer: Answer) -> Answer:
    """Refuse early what cannot be the file, above all before a partial file is given up for it."""
    headers = response.headers
    length = _length(headers, remote)
    if headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        raise Trouble(f"its transfer encoding {headers['Transfer-Encoding']!r} is not known")
    answer.validator = _validator(headers)
    if response.status == 206:
        answer.start, answer.total = _range_start(headers, remote, start)
        if validator and answer.validator not in {"", validator}:
            raise StaleRange("the file has changed since")
        answer.validator = answer.validator or validator  # a 206 need not repeat it (RFC 9110, 15.3.7)
        if _encoding(headers):
            raise StaleRange("a part of an encoded file is none of the file")
        return answer
    if start and length != remote.size and (length == remote.size - start or not _is_from_zero(headers)):
        raise StaleRange("the server does not say clearly which part of the file it gives")
    if headers.get_content_type() == "text/html" and length != remote.size:
        refuse_page(b"<html", remote)
    if length == remote.size or not _encoding(headers):
        answer.total = length
        if not remote.may_have(length):
            refuse_page(answer.beginning(), remote)
            raise Trouble(f"the server announces {length:,} bytes, expected {remote.amount}")
    elif _encoding(headers) not in {"gzip", "x-gzip"}:
        raise Trouble(f"its content encoding {_encoding(headers)!r} is not known, although none was asked for")
    elif not remote.filename.endswith((".gz", ".tgz")):  # else the server describes the file, it did not encode it
        answer.stream = _Gunzipped(response)
    return answer


def refuse_page(beginning: bytes, remote: Remote) -> None:
    """Refuse what begins as an HTML page, unless that is what is wanted.

    Raises:
        Trouble: if it does.
    """
    if _PAGE.match(beginning) and not remote.filename.endswith((".html", ".htm")):
        raise Trouble(f"an HTML page came instead of the {remote.size:,} bytes expected")


def _range_start(headers: "Message", remote: Remote, start: int) -> tuple[int, int | None]:
    """The first byte of what comes, and how many the whole file has, if that is said."""
    match = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if match is None or int(match[1]) != start or int(match[2]) < start:
        raise (StaleRange if start else Trouble)("the server gives another part of the file than asked for")
    total = None if match[3] == "*" else int(match[3])
    if total is not None and not remote.may_have(total):
        raise Trouble(f"the server announces {total:,} bytes, expected {remote.amount}")
    return start, total


def _is_from_zero(headers: "Message") -> bool:
    """Whether an answer that is no part of a file (status 200) does not say that it is one all the same."""
    stated = headers.get("Content-Range", "").strip()
    return not stated or bool(re.match(r"bytes 0+-", stated))


def _validator(headers: "Message") -> str:
    """A weak ETag cannot vouch for bytes (RFC 9110, 13.1.5); what could not be sent back is none."""
    tag: str = headers.get("ETag", "").strip()
    stated: str = tag if tag.startswith('"') else headers.get("Last-Modified", "").strip()
    return stated if _SENDABLE.fullmatch(stated) else ""


def _encoding(headers: "Message") -> str:
    encoding: str = headers.get("Content-Encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding


def _length(headers: "Message", remote: Remote) -> int | None:
    """Bytes that the server announces; the same number may be stated several times (RFC 9110, 8.6)."""
    stated = {part.strip() for text in headers.get_all("Content-Length", []) for part in text.split(",")}
    if not stated:
        return None
    text = stated.pop()
    if stated or not re.fullmatch("[0-9]+", text):
        raise Trouble(f"its Content-Length {text[:_LONGEST]!r} is no number of bytes, expected {remote.amount}")
    if len(text) > _DIGITS:
        raise Trouble(f"the server announces a number of bytes with {len(text):,} digits, expected {remote.amount}")
    return int(text)


class _Gunzipped:
    """The bytes of a stream that the server has compressed although it was asked not to."""

    def __init__(self, stream: Stream) -> None:
        import zlib

        self._stream = stream
        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def read1(self, size: int = -1, /) -> bytes:
        while not self._zlib.eof:
            data = self._zlib.unconsumed_tail or self._stream.read1(size)
            if not data:
                break
            if block := self._zlib.decompress(data, max(size, 0)):
                return block
        return b""
