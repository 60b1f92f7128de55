"""A local HTTP server that serves bytes from memory and misbehaves on request."""

import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server answers at one path.

    Attributes:
        body: the bytes to send.
        status: HTTP status.
        media: the media type stated; none if empty.
        announced: the length stated, where it is not that of the body; -1 states none.
        pause: seconds of silence after half of the body.
        location: where a redirect leads.
        ranges: whether `Range` and `If-Range` are honoured (206, or 416 where there is nothing to give).
        headers: more headers (name, value): ETag, Retry-After, ...
        cut: bytes of the whole file after which the connection ends, as if the line were cut; none if None.
        reset: whether that end is a reset, not a plain close.
    """

    body: bytes = b""
    status: int = 200
    media: str = "application/octet-stream"
    announced: int | None = None
    pause: float = 0.0
    location: str = ""
    ranges: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None
    reset: bool = False


Replies = Mapping[str, Reply | bytes | Sequence[Reply | bytes]]


@dataclass
class LocalServer:
    """Where the server is, the paths it was asked for, and with which headers."""

    url: str
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def ranges(self) -> list[str]:
        """The `Range` header of each request; empty where there was none."""
        return [headers.get("range", "") for headers in self.headers]

    @property
    def conditions(self) -> list[str]:
        """The `If-Range` header of each request; empty where there was none."""
        return [headers.get("if-range", "") for headers in self.headers]


@contextmanager
def serving(replies: Replies) -> Iterator[LocalServer]:
    """Serve `{path: reply}` on the loopback interface; any other path is a 404. `url` ends in `/`.

    Of several replies at one path the first request gets the first; the last one serves all that follow.
    """
    stopping, counting = threading.Event(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with counting:
                number = local.asked.count(self.path)
                local.asked.append(self.path)
                local.headers.append({name.lower(): value for name, value in self.headers.items()})
            found = replies.get(self.path.lstrip("/"), Reply(b"nothing here", 404, "text/plain"))
            if not isinstance(found, bytes | Reply):
                found = found[min(number, len(found) - 1)]
            _answer(self, Reply(found) if isinstance(found, bytes) else found, stopping)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    local = LocalServer(f"http://127.0.0.1:{server.server_address[1]}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.002}, daemon=True)
    thread.start()
    try:
        yield local
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, reply: Reply, stopping: threading.Event) -> None:
    status, start = _range(handler, reply) if reply.ranges else (reply.status, 0)
    body = reply.body[start:]
    handler.send_response(status)
    if reply.media:
        handler.send_header("Content-Type", reply.media)
    if reply.location:
        handler.send_header("Location", reply.location)
    for name, value in reply.headers:
        handler.send_header(name, value)
    if status == 206:
        handler.send_header("Content-Range", f"bytes {start}-{len(reply.body) - 1}/{len(reply.body)}")
    if reply.announced != -1:
        length = len(body) if reply.announced is None else reply.announced
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    if reply.cut is not None:
        body = body[: max(0, reply.cut - start)]
    half = len(body) // 2
    try:
        handler.wfile.write(body[:half])
        if reply.pause:
            handler.wfile.flush()
            stopping.wait(reply.pause)
        handler.wfile.write(body[half:])
        if reply.reset:
            handler.wfile.flush()
            stopping.wait(0.05)  # a reset also drops what the client has not read yet
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
    except OSError:  # the client had enough
        pass


def _range(handler: BaseHTTPRequestHandler, reply: Reply) -> tuple[int, int]:
    """Status and first byte of an answer to a range, as RFC 9110, 14.2 has it."""
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range")
    known = [value for name, value in reply.headers if name in {"ETag", "Last-Modified"}]
    if wanted is None or (condition is not None and condition not in known):
        return reply.status, 0
    start = int(wanted[1])
    return (206, start) if start < len(reply.body) else (416, len(reply.body))


Pieces = Callable[[bytes], Iterable[bytes | float]]
"""What is sent for a request: bytes, and seconds of silence between them."""


@dataclass
class RawServer:
    """Where the server is, and the requests that came."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def talking(pieces: Pieces) -> Iterator[RawServer]:
    """Send exactly these bytes for each request, HTTP or not, and end the connection; `url` ends in `/`."""
    stopping = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            request = b""
            with suppress(OSError):
                while b"\r\n\r\n" not in request and (block := self.request.recv(65536)):
                    request += block
                local.requests.append(request)
                for piece in pieces(request):
                    if stopping.is_set():
                        return
                    if isinstance(piece, float):
                        stopping.wait(piece)
                    else:
                        self.request.sendall(piece)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 50

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    local = RawServer(f"http://127.0.0.1:{server.server_address[1]}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.002}, daemon=True)
    thread.start()
    try:
        yield local
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
