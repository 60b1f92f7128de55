"""How many GPUs torch will see here, without importing torch."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_DRIVER = Path("/proc/driver/nvidia/gpus")


def visible(driver: Path = _DRIVER) -> int:
    """GPUs of NVIDIA that this process may use; 0 where torch was built without CUDA.

    Args:
        driver: where the driver has a folder a GPU.
    """
    try:
        without = version("torch").endswith("+cpu")
    except PackageNotFoundError:
        without = True
    try:
        present = 0 if without else len(list(driver.iterdir()))
    except OSError:
        present = 0
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return present if chosen is None else min(present, _chosen(chosen))


def _chosen(text: str) -> int:
    """How many GPUs a value of CUDA_VISIBLE_DEVICES names; what stands behind a number below 0 does not count."""
    count = 0
    for name in text.split(","):
        if not name.strip() or name.strip().startswith("-"):
            break
        count += 1
    return count
