"""Why an address did not give the file, and whether asking it again can help."""

from enum import Enum


class Again(Enum):
    """Whether asking the same address again can help."""

    NEVER = "never"
    LATER = "later"
    IF_IT_WORKED = "if it worked before"  # no route, no name, refused: the network is down, or the address is wrong


class Trouble(Exception):
    """One address did not give the file; another may.

    Attributes:
        again: whether the same address may, later.
        asked: seconds that the server wants to be left alone, if it said so.
    """

    def __init__(self, reason: str, again: Again = Again.NEVER, asked: float | None = None) -> None:
        super().__init__(" ".join(reason.split()))
        self.again = again
        self.asked = asked


class WrongContent(Trouble):
    """All bytes came and they are not those published."""


class StaleRange(Exception):
    """The server cannot or must not continue the partial file; it has to start from zero."""


def from_error(error: Exception, timeout: float) -> Trouble:
    """What an exception of urllib, http.client, ssl or a socket means for the download."""
    import ssl
    from http.client import HTTPException, InvalidURL
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        busy = error.code in {408, 425, 429} or error.code >= 500
        asked = _seconds(error.headers.get("Retry-After")) if busy else None
        return Trouble(f"HTTP {error.code} {error.reason}", Again.LATER if busy else Again.NEVER, asked)
    if isinstance(error, URLError):
        if isinstance(error.reason, Exception):
            return from_error(error.reason, timeout)
        return Trouble(str(error.reason))
    if isinstance(error, TimeoutError):
        return Trouble(f"the server was silent for {timeout:g} s", Again.LATER)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Trouble(f"its certificate is not trusted ({error.verify_message})")
    if isinstance(error, ConnectionRefusedError):
        return Trouble(error.strerror or "connection refused", Again.IF_IT_WORKED)
    if isinstance(error, (ConnectionError, ssl.SSLError, HTTPException)) and not isinstance(error, InvalidURL):
        return Trouble(f"the connection broke off ({error or type(error).__name__})", Again.LATER)
    if isinstance(error, OSError):
        return Trouble(error.strerror or str(error), Again.IF_IT_WORKED)
    return Trouble(str(error) or type(error).__name__)


def _seconds(text: str | None) -> float | None:
    """Seconds from now that a `Retry-After` header names, as a number or a date (RFC 9110, 10.2.3)."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
