"""A local HTTP server that serves bytes from memory and misbehaves on request."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    """

    body: bytes = b""
    status: int = 200
    media: str = "application/octet-stream"
    announced: int | None = None
    pause: float = 0.0
    location: str = ""


@dataclass
class LocalServer:
    """Where the server is, and the paths it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(replies: Mapping[str, Reply | bytes]) -> Iterator[LocalServer]:
    """Serve `{path: reply}` on the loopback interface; any other path is a 404. `url` ends in `/`."""
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            local.asked.append(self.path)
            reply = replies.get(self.path.lstrip("/"), Reply(b"nothing here", 404, "text/plain"))
            _answer(self, Reply(reply) if isinstance(reply, bytes) else reply, stopping)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    local = LocalServer(f"http://127.0.0.1:{server.server_address[1]}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield local
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, reply: Reply, stopping: threading.Event) -> None:
    handler.send_response(reply.status)
    if reply.media:
        handler.send_header("Content-Type", reply.media)
    if reply.location:
        handler.send_header("Location", reply.location)
    if reply.announced != -1:
        length = len(reply.body) if reply.announced is None else reply.announced
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    half = len(reply.body) // 2
    try:
        handler.wfile.write(reply.body[:half])
        if reply.pause:
            handler.wfile.flush()
            stopping.wait(reply.pause)
        handler.wfile.write(reply.body[half:])
    except OSError:  # the client had enough
        pass
