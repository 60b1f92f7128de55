"""Prepared columns are read as they were written; those of an earlier version are taken over if nothing is wrong."""

import hashlib

import h5py
import numpy as np
import pytest

from biasloop import prepared as directories
from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame
from biasloop.contract.randomness import Streams
from biasloop.datasets.decoded import is_decoded
from biasloop_language.prepared import is_prepared, prepared

FRAME = Frame({"text": Column.text(["a", "", "bc"]), "tokens": Column(np.arange(6).reshape(3, 2), role="ids")})
OTHER = Frame({"text": Column.text(["made anew"])})


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path, Streams((0,)))


def same(frame):
    return (
        frame.columns["text"].strings() == ["a", "", "bc"]
        and frame.columns["text"].role == "text"
        and frame.columns["tokens"].role == "ids"
        and np.array_equal(frame["tokens"], FRAME["tokens"])
    )


def left(directory):
    """What the version before this form left."""
    with h5py.File(directory / "columns.h5", "w") as file:
        file.attrs["columns"] = "text tokens"
        for name, column in FRAME.columns.items():
            group = file.create_group(name)
            group.attrs["role"] = column.role
            group.create_dataset("values", data=column.values)
            if column.offsets is not None:
                group.create_dataset("offsets", data=column.offsets)


def never():
    pytest.fail("made twice")


def test_columns_come_back_as_they_were_put_in(context):
    assert not is_prepared(context, "some")
    prepared(context, "some", lambda: FRAME)
    assert is_prepared(context, "some")
    assert same(prepared(context, "some", never))


def test_columns_of_an_earlier_version_are_taken_over(context):
    context.prepared("some", left)
    assert is_prepared(context, "some")
    assert not is_decoded(context, "some")
    assert same(prepared(context, "some", never))
    assert is_decoded(context, "some")


def seal(directory):
    """Make the digests fit what is there."""
    digest = hashlib.sha256((directory / "columns.h5").read_bytes()).hexdigest()
    (directory / directories.SUMS).write_text(f"{digest}  columns.h5\n")


@pytest.mark.parametrize("harm", ["link", "external", "missing", "role", "flipped"])
def test_what_is_wrong_with_those_of_an_earlier_version_makes_them_anew(context, tmp_path, harm):
    path = context.prepared("some", left) / "columns.h5"
    if harm == "flipped":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    else:
        with h5py.File(path, "r+") as file:
            if harm == "role":
                file["tokens"].attrs["role"] = "nothing"
            else:
                del file["tokens/values"]
            if harm == "link":
                file["tokens/values"] = h5py.SoftLink("/text/values")
            elif harm == "external":
                file["tokens"].create_dataset("values", (3,), np.int64, external=[("/etc/hostname", 0, 24)])
        seal(path.parent)  # by somebody who wants it to look whole
    assert prepared(context, "some", lambda: OTHER).columns["text"].strings() == ["made anew"]
