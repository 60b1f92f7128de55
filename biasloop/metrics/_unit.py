"""Rows of features as unit vectors, which is what cosines are of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.contract.data import Array, Floats
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Singles = npt.NDArray[np.float32]
else:
    Singles = Array


def check_features(what: str, features: Array) -> None:
    """Features must be a row a thing, of numbers.

    Raises:
        InvalidInput: naming `what` and the shape or dtype.
    """
    if np.ndim(features) != 2 or not np.shape(features)[1] or features.dtype.kind not in "fiu":
        raise InvalidInput(
            f"{what} features must be an array (rows, dimensions) of numbers, not {np.shape(features)} of "
            f"{getattr(features, 'dtype', type(features).__name__)}"
        )


def norms(what: str, features: Array) -> Floats:
    """`(n,)` Euclidean lengths of rows.

    Raises:
        InvalidInput: features are no array of rows, or rows have no direction; they are counted, the first is named.
    """
    check_features(what, features)
    squares = np.einsum("nd,nd->n", features, features, dtype=np.float64)  # (n,)
    bad = np.flatnonzero(~(np.isfinite(squares) & (squares > 0)))
    if len(bad):
        raise InvalidInput(
            f"{len(bad):,} of {len(features):,} {what} features have no direction (they are 0 or not finite), the "
            f"first in row {bad[0]:,}: no cosine is defined; compute them again, or leave these rows out"
        )
    return np.asarray(np.sqrt(squares), np.float64)


def unit(what: str, features: Array) -> Singles:
    """`(n, d)` float32 rows of length 1.

    Raises:
        InvalidInput: as `norms`.
    """
    lengths = norms(what, features)
    return np.asarray(features / lengths[:, None].astype(np.float32), np.float32)
