"""Why an address did not give the file, and whether asking it again can help."""

from enum import Enum

_LONGEST = 200  # characters that are shown of what a server said


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
        # A server has chosen some of the words.
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in " ".join(reason.split())))
        self.again = again
        self.asked = asked


class Trickle(Trouble):
    """The server is too slow to be waited for; what it gave is kept and counts for nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, Again.LATER)


class WrongContent(Trouble):
    """All bytes came and they are not those published."""


class StaleRange(Exception):
    """The server cannot or must not continue the partial file; it has to start from zero."""


def from_error(error: Exception, timeout: float) -> Trouble:
    """What an exception of urllib, http.client, ssl or a socket means for the download."""
    import ssl
    from http.client import HTTPException, IncompleteRead, InvalidURL
    from urllib.error import HTTPError, URLError

    from biasloop.downloads.pace import TooSlow

    if isinstance(error, TooSlow):
        return Trickle(str(error))
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
    if isinstance(error, (ConnectionError, ssl.SSLError, IncompleteRead)):
        return Trouble(f"the connection broke off ({error or type(error).__name__})", Again.LATER)
    if isinstance(error, HTTPException) and not isinstance(error, InvalidURL):
        said = f"{error or type(error).__name__}"
        return Trouble(f"its answer is no HTTP ({said[:_LONGEST]})", Again.LATER)
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
    except (ValueError, TypeError, IndexError, OverflowError):  # whatever is no date
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
