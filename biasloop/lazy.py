"""NumPy and h5py, loaded when one of their names is first used: refusals, listings and help need neither."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["h5py", "numpy"]

if TYPE_CHECKING:
    import h5py
    import numpy
else:

    class _Late:
        """Stands for a module; a name that was looked up is kept, so that later uses cost what a module's do."""

        def __init__(self, module: str) -> None:
            self._module = module

        def __getattr__(self, name: str) -> Any:
            value = getattr(import_module(self._module), name)
            setattr(self, name, value)
            return value

    h5py, numpy = _Late("h5py"), _Late("numpy")
