"""Prepared columns: read as they were written, and refused where they lead out of their file."""

import hashlib

import h5py
import numpy as np
import pytest

from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame
from biasloop.contract.randomness import Streams
from biasloop.errors import DownloadError
from biasloop.prepared import SUMS
from biasloop_language.prepared import prepared

FRAME = Frame({"text": Column.text(["a", "", "bc"]), "tokens": Column(np.arange(6).reshape(3, 2), role="ids")})


@pytest.fixture
def context(tmp_path):
    context = Context(tmp_path, Streams((0,)))
    prepared(context, "some", lambda: FRAME)
    return context


def seal(directory):
    """Make the digests fit what is there."""
    digest = hashlib.sha256((directory / "columns.h5").read_bytes()).hexdigest()
    (directory / SUMS).write_text(f"{digest}  columns.h5\n")


def again(context):
    return prepared(context, "some", lambda: pytest.fail("made twice"))


def test_columns_come_back_as_they_were_put_in(context):
    back = again(context)
    assert back.columns["text"].strings() == ["a", "", "bc"]
    assert back.columns["tokens"].role == "ids"
    assert np.array_equal(back["tokens"], FRAME["tokens"])


@pytest.mark.parametrize("harm", ["link", "external", "missing", "role"])
def test_what_leads_out_of_the_file_or_is_missing_is_refused(context, tmp_path, harm):
    with h5py.File(tmp_path / "prepared" / "some" / "columns.h5", "r+") as file:
        if harm == "role":
            file["tokens"].attrs["role"] = "nothing"
        else:
            del file["tokens/values"]
        if harm == "link":
            file["tokens/values"] = h5py.SoftLink("/text/values")
        elif harm == "external":
            file["tokens"].create_dataset("values", (3,), np.int64, external=[("/etc/hostname", 0, 24)])
    seal(tmp_path / "prepared" / "some")  # by somebody who wants it to look whole
    with pytest.raises(
        DownloadError, match=r"columns.h5 is damaged \(.*tokens.*|role.*\); delete .*, and the same command"
    ):
        again(context)
