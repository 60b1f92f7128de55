"""Paths that are no regular files are refused before they are opened."""

import os
import socket

import pytest

from biasloop.errors import InvalidInput
from biasloop.system.regular import irregular, require_regular


def test_a_file_and_a_link_to_one_are_regular(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "x.csv")
    for name in ("x.csv", "link.csv"):
        assert irregular(tmp_path / name) is None
        require_regular(tmp_path / name)


def test_what_is_not_there_is_left_to_whoever_opens_it(tmp_path):
    require_regular(tmp_path / "nothing.csv")
    with pytest.raises(FileNotFoundError):
        irregular(tmp_path / "nothing.csv")


def test_a_pipe_a_device_a_socket_and_a_directory_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        assert irregular(tmp_path / "s") == "a socket"
    assert irregular(tmp_path) == "a directory"
    for path, kind in ((tmp_path / "pipe.csv", "a pipe"), (tmp_path / "link.csv", "a pipe"), (os.devnull, "a device")):
        with pytest.raises(InvalidInput, match=f"is {kind}; expected a file"):
            require_regular(tmp_path / path)
