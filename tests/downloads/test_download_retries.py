"""Which failures are tried again, how long the waits are, and when it is enough."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.archives import remote
from support.patience import Waits
from support.servers import Reply, serving

from biasloop.downloads import Patience, download
from biasloop.errors import DownloadError

CONTENT = bytes(range(256)) * 1000


def attempt(directory, replies, waits: Waits, **changed) -> tuple[str, int]:
    """The error (empty if none) and the number of requests."""
    with serving({"set.bin": replies}) as server:
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")
        try:
            path = download(wanted, directory, patience=waits.patience(**changed), notice=waits.said.append)
        except DownloadError as error:
            return str(error), len(server.asked)
        assert path.read_bytes() == CONTENT
        return "", len(server.asked)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_longer_and_longer_waits(tmp_path, waits, status):
    assert attempt(tmp_path, [Reply(b"", status)] * 3 + [CONTENT], waits) == ("", 4)
    assert waits.seconds == [1, 2, 4]
    assert waits.said[0].startswith(f"set.bin: HTTP {status} ")
    assert waits.said[0].endswith("; trying again in 1 s")


def test_after_five_failures_in_a_row_it_is_enough(tmp_path, waits):
    message, requests = attempt(tmp_path, Reply(b"", 503), waits)
    assert "HTTP 503 Service Unavailable, and it failed 5 times in a row" in message
    assert requests == 5
    assert waits.seconds == [1, 2, 4, 8]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_refusal_is_final(tmp_path, waits, status):
    message, requests = attempt(tmp_path, Reply(b"", status), waits)
    assert f"HTTP {status} " in message
    assert (requests, waits.seconds) == (1, [])


@pytest.mark.parametrize(
    "reply",
    [
        Reply(CONTENT, cut=0),
        Reply(CONTENT, cut=1000),
        Reply(CONTENT, cut=1000, reset=True),
        Reply(CONTENT[:1000], announced=-1),
        Reply(b"", announced=-1),
    ],
)
def test_a_truncated_or_reset_answer_is_tried_again(tmp_path, waits, reply):
    assert attempt(tmp_path, [reply, reply, CONTENT], waits) == ("", 3)
    assert waits.seconds == [1, 2]


def test_a_silent_server_is_tried_again(tmp_path, waits):
    assert attempt(tmp_path, [Reply(CONTENT, pause=30, ranges=True), CONTENT], waits, timeout=0.2) == ("", 2)
    assert "set.bin: the server was silent for 0.2 s; trying again in 1 s" in waits.said


def test_a_connection_that_closes_without_an_answer_is_tried_again(tmp_path, waits):
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.close()
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 256000\r\n\r\n" + CONTENT)
        connection.close()

    thread = threading.Thread(target=hang_up, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/set.bin"
    path = download(remote("set.bin", CONTENT, url), tmp_path, patience=waits.patience(), notice=waits.said.append)
    thread.join(5)
    listener.close()
    assert path.read_bytes() == CONTENT
    assert waits.seconds == [1, 2]
    assert "the connection broke off" in waits.said[0]


def test_a_server_that_is_not_there_is_given_up_at_once(tmp_path, waits):
    with serving({}) as server:
        pass
    with pytest.raises(DownloadError, match=r"(?i)refused\)") as error:
        download(remote("set.bin", CONTENT, server.url + "set.bin"), tmp_path, patience=waits.patience())
    assert "in a row" not in str(error.value)
    assert waits.seconds == []
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_goes_away_in_the_middle_is_waited_for(tmp_path, waits):
    with ExitStack() as stack:
        server = stack.enter_context(serving({"set.bin": Reply(CONTENT, cut=100_000)}))
        wanted = remote("set.bin", CONTENT, server.url + "set.bin")

        def gone(seconds: float) -> None:
            stack.close()
            waits.seconds.append(seconds)

        with pytest.raises(DownloadError, match=r"(?i)refused, and it failed 5 times in a row"):
            download(wanted, tmp_path, patience=waits.patience(sleep=gone))
    assert waits.seconds == [1, 2, 4, 8]


def test_tries_that_bring_a_hundredth_of_the_file_do_not_count_against_it(tmp_path, waits):
    cuts = [Reply(CONTENT, cut=n * 10_000, ranges=True) for n in range(1, 26)]
    assert attempt(tmp_path, [*cuts, Reply(CONTENT, ranges=True)], waits) == ("", 26)
    assert waits.seconds == [1] * 25


def test_a_trickle_is_given_up(tmp_path, waits):
    cuts = [Reply(CONTENT, cut=n, ranges=True) for n in range(1, 50)]
    message, requests = attempt(tmp_path, cuts, waits)
    assert "only 5 of the 256,000 bytes expected came, and it failed 5 times in a row" in message
    assert requests == 5


def test_a_server_that_only_gives_the_beginning_is_given_up(tmp_path, waits):
    """It ignores ranges and always breaks off at the same byte: no try gets further than the first."""
    message, requests = attempt(tmp_path, Reply(CONTENT, cut=200_000), waits)
    assert "only 200,000 of the 256,000 bytes expected came, and it failed 5 times in a row" in message
    assert requests == 5


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7), ("0", 0), ("100000", 300), (" 12 ", 12), ("soon", 1), ("-5", 1), ("", 1)],
)
def test_the_wait_a_server_asks_for_is_kept_up_to_a_cap(tmp_path, waits, asked, waited):
    busy = Reply(b"", 503, headers=(("Retry-After", asked),))
    assert attempt(tmp_path, [busy, CONTENT], waits) == ("", 2)
    assert waits.seconds == [waited]


@pytest.mark.parametrize(("ahead", "least", "most"), [(40, 35, 40), (-40, 0, 0), (9000, 300, 300)])
def test_the_wait_may_be_a_date(tmp_path, waits, ahead, least, most):
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    assert attempt(tmp_path, [Reply(b"", 429, headers=(("Retry-After", when),)), CONTENT], waits) == ("", 2)
    assert least <= waits.seconds[0] <= most


def test_waits_double_up_to_a_cap_and_are_spread_over_their_upper_half():
    low, high = Patience(uniform=lambda: 0.0), Patience(uniform=lambda: 1.0)
    assert [high.seconds(n, None) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [low.seconds(n, None) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    drawn = {Patience().seconds(3, None) for _ in range(50)}
    assert len(drawn) > 40
    assert all(2 <= seconds < 4 for seconds in drawn)


def test_the_next_mirror_is_tried_after_the_last_try_and_all_reasons_are_given(tmp_path, waits):
    html = Reply(b"<html>", media="text/html")
    replies = {"a": Reply(b"", 503), "b": Reply(b"", 404), "c": html, "d": CONTENT[::-1], "e": CONTENT[1:]}
    with serving(replies) as server:
        wanted = remote("set.bin", CONTENT, *(server.url + name for name in replies))
        with pytest.raises(DownloadError) as error:
            download(wanted, tmp_path, patience=waits.patience())
    message = str(error.value)
    assert server.asked == ["/a"] * 5 + ["/b", "/c", "/d", "/e"]
    for name, reason in zip(
        replies,
        ["HTTP 503", "HTTP 404", "an HTML page came", "its checksum is", "the server announces 255,999"],
        strict=True,
    ):
        assert f"{server.url}{name}: {reason}" in message
    assert f"or put a copy at {tmp_path / 'set.bin'} (256,000 bytes, {wanted.checksum})" in message
    assert message.endswith("or name one with --from PATH_OR_URL")
    assert "\n" not in message
