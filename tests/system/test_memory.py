"""Errors of want of memory, of every library in use, are known as such; others are not."""

import errno
import os

import numpy as np
import pytest
import torch

from biasloop.errors import BiasloopError
from biasloop.system.memory import lacking, sentence


def raised(make) -> BaseException:
    try:
        make()
    except Exception as error:  # whatever it is: that is what is looked at
        return error
    raise AssertionError("there was enough")


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.zeros(2**55, np.uint8),
        lambda: np.zeros((2**40, 2**40), np.uint8),
        lambda: torch.zeros(2**55, dtype=torch.uint8),
        lambda: bytearray(2**60),
        lambda: [0] * 2**60,
    ],
)
def test_what_libraries_really_raise_is_known(make):
    assert lacking(raised(make)) == "memory"


@pytest.mark.parametrize(
    ("error", "which"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total ..."), "GPU"),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be ..."), "GPU"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "GPU"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "GPU"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 5.00 GB)"), "GPU"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: "
                      "you tried to allocate 400 bytes. Error code 12 (Cannot allocate memory)"), "memory"),
        (RuntimeError("[enforce fail at CPUAllocator.cpp:64] . DefaultCPUAllocator: not enough memory: you tried"),
         "memory"),
        (RuntimeError("std::bad_alloc"), "memory"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "memory"),
        (MemoryError(), "memory"),
    ],
)  # fmt: skip
def test_others_are_known_by_name_and_words(error, which):
    assert lacking(error).endswith(which)
    said = sentence(error, ["domain.batch_size", "domain.test", "domain.width"])
    assert said.startswith("there is not enough memory")
    assert "lower domain.batch_size, domain.test or domain.width" in said
    assert said.isprintable()
    assert len(said) < 400


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: device-side assert triggered"), ValueError("shapes do not match"), KeyError("out"),
        OSError(errno.ENOSPC, "No space left on device"), ZeroDivisionError(), RecursionError("maximum recursion"),
        BiasloopError("memory allocation failed"),
    ],
)  # fmt: skip
def test_other_errors_are_not(error):
    assert not lacking(error)
