"""The part of a file that has come, where a process that was taken for dead while it fetched it wakes up."""

import os
from contextlib import ExitStack

import pytest
from support.archives import remote

from biasloop.downloads.partial import Partial
from biasloop.errors import Lost
from biasloop.system.claims import alone

CONTENT = bytes(range(256)) * 1000
ADDRESS = "http://localhost/set.bin"


def begun(stack, path):
    """The part of a file, with a claim that nobody else holds and lives."""
    claim, _ = stack.enter_context(alone(path, "fetching", lambda text: None))
    return stack.enter_context(Partial(path, remote("set.bin", CONTENT, ADDRESS), claim))


def test_who_has_lost_the_claim_on_a_file_adds_to_it_publishes_and_removes_nothing(tmp_path):
    path = tmp_path / "set.bin"
    with ExitStack() as late, ExitStack() as stack:
        theirs = begun(late, path)
        theirs.begin(ADDRESS, '"1"')
        theirs.append(CONTENT[:1000])
        os.utime(tmp_path / ".set.bin.claim-1" / "holder.json", (1, 1))
        ours = begun(stack, path)
        assert (ours.done, ours.validator_at(ADDRESS)) == (1000, '"1"')
        before = (tmp_path / ".set.bin.part.json").read_bytes()
        theirs.append(CONTENT[1000:])
        with pytest.raises(Lost):
            theirs.publish()
        with pytest.raises(Lost):
            theirs.begin(ADDRESS, '"2"')
        late.close()
        assert not path.exists()
        assert (tmp_path / ".set.bin.part").read_bytes() == CONTENT[:1000]
        assert (tmp_path / ".set.bin.part.json").read_bytes() == before
        ours.append(CONTENT[1000:])
        assert ours.wrong() is None
        ours.publish()
    assert path.read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["set.bin"]
