"""How fast a server has to be: one that answers a byte at a time, or never comes to the point, is not waited for."""

import io
import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import BaseHandler

    from biasloop.downloads.patience import Patience


class TooSlow(OSError):
    """The server is too slow; the message says what it did."""


class Pace:
    """Of one server: each answer begins, and each piece of it comes, within a window, and no window brings too little.

    Args:
        window: seconds.
        least: bytes that each window has to bring.
        clock: seconds that have passed.
    """

    def __init__(self, window: float = math.inf, least: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.window = window
        self.least = least
        self._clock = clock
        self._until = math.inf
        self._since = clock()
        self._came = 0

    @classmethod
    def of(cls, patience: "Patience") -> "Pace":
        """That a person's patience asks for."""
        return cls(patience.window, patience.least, patience.clock)

    def wait(self) -> None:
        """Something is asked for; it has to come within a window."""
        self._until = self._clock() + self.window

    def begin(self) -> None:
        """The first window of a file begins."""
        self._since, self._came = self._clock(), 0

    def check(self) -> None:
        """To be called before each wait for the network.

        Raises:
            TooSlow: if what was asked for has not come for a window, whatever else has.
        """
        if self._clock() > self._until:
            raise TooSlow(f"the server did not come to the point in {self.window:g} s")

    def count(self, size: int) -> None:
        """Some bytes of the file have come.

        Raises:
            TooSlow: at the end of a window that brought too few.
        """
        self._came += size
        if self._clock() - self._since < self.window:
            return
        came, self._since, self._came = self._came, self._clock(), 0
        if came < self.least:
            raise TooSlow(f"the server gave {came:,} bytes in {self.window:g} s, and {self.least:,} are the least")


class _Watched(io.RawIOBase):
    """What a server sends, as it comes."""

    def __init__(self, stream: io.RawIOBase, pace: Pace) -> None:
        self._stream = stream
        self._pace = pace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._pace.check()
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


def handlers(pace: Pace) -> "tuple[BaseHandler, BaseHandler]":
    """Handlers of http and https for urllib that check the pace whenever they wait for the network."""
    from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
    from urllib.request import HTTPHandler, HTTPSHandler, Request

    class Response(HTTPResponse):
        def __init__(self, *given: Any, **how: Any) -> None:
            super().__init__(*given, **how)
            self.fp: Any = io.BufferedReader(_Watched(self.fp.detach(), pace))

    def connection(kind: "type[HTTPConnection]", host: str, **how: Any) -> HTTPConnection:
        made = kind(host, **how)
        made.response_class = Response
        return made

    class Plain(HTTPHandler):
        def http_open(self, req: Request) -> "HTTPResponse":
            return self.do_open(partial(connection, HTTPConnection), req)

    class Encrypted(HTTPSHandler):
        def https_open(self, req: Request) -> "HTTPResponse":
            return self.do_open(partial(connection, HTTPSConnection), req)

    return Plain(), Encrypted()
