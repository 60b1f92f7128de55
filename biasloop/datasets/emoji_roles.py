"""Small pictures of people in roles, which come with biasloop: each role as man and woman, in six skin tones."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.datasets.assets import Asset
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.data import Array, Ints
    from biasloop.datasets.images import Pixels

EMOJI_ROLES = Asset(
    name="emoji-roles",
    summary="587 pictures of men and women in 50 roles and six skin tones (Noto emoji); comes with biasloop",
    homepage="https://github.com/googlefonts/noto-emoji",
    licence="Apache-2.0, Copyright Google",
    citation="Google. Noto Emoji. Pictures as in the npm package emoji-datasource-google 16.0.0.",
    shipped=Path(__file__).parent / "embedded" / "emoji-roles.npz",
)
TONES = 6
"""Skin tones: 0 is none (yellow), 1 to 5 go from light to dark."""
PIXELS = 32
"""Height and width of a picture."""


@dataclass(frozen=True)
class EmojiRoles:
    """The pictures, on white.

    Attributes:
        images: `(N, 32, 32, 3)` uint8.
        role: `(N,)` int64, positions in `roles`.
        woman: `(N,)` int64, 0 for a man and 1 for a woman.
        tone: `(N,)` int64, 0 for none, 1 (light) to 5 (dark).
        roles: names.
    """

    images: Pixels
    role: Ints
    woman: Ints
    tone: Ints
    roles: tuple[str, ...]

    def drawings(self) -> Ints:
        """`(roles, 2, TONES)` how many pictures there are of each role as man and woman, in each skin tone."""
        kinds = len(self.roles) * 2 * TONES
        kind = (self.role * 2 + self.woman) * TONES + self.tone  # (N,)
        return np.bincount(kind, minlength=kinds).reshape(len(self.roles), 2, TONES)


def pictures() -> EmojiRoles:
    """All pictures, in the order of the file.

    Raises:
        DownloadError: if the file, which comes with biasloop, is damaged or missing.
    """
    assert EMOJI_ROLES.shipped is not None
    EMOJI_ROLES.require(Path())
    try:
        with np.load(EMOJI_ROLES.shipped, allow_pickle=False) as arrays:
            images, names = arrays["images"], arrays["role_names"]
            role, woman, tone = (arrays[name].astype(np.int64) for name in ("role", "gender", "skin_tone"))
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError) as error:
        raise EMOJI_ROLES.damaged(EMOJI_ROLES.shipped, f"it does not read ({error})") from error
    for of, column, count in (("role", role, len(names)), ("gender", woman, 2), ("skin tone", tone, TONES)):
        _check(of, column, len(images), count)
    if images.dtype != np.uint8 or images.shape[1:] != (PIXELS, PIXELS, 3):
        raise EMOJI_ROLES.damaged(EMOJI_ROLES.shipped, f"its images are {images.dtype} {images.shape[1:]}")
    return EmojiRoles(images, role, woman, tone, tuple(names.tolist()))


def _check(of: str, column: Array, images: int, count: int) -> None:
    assert EMOJI_ROLES.shipped is not None
    if column.shape != (images,) or ((column < 0) | (column >= count)).any():
        why = f"a {of} of its {images} images is not a number from 0 to {count - 1}"
        raise EMOJI_ROLES.damaged(EMOJI_ROLES.shipped, why)
