"""Captions of pictures of people in roles, and the words that they are made of.

    a photo of a firefighter                             a photo of a person rowing boat
    a photo of a woman firefighter with medium skin      a photo of a man rowing boat with dark skin

The first line says neither gender nor skin tone: it is neutral; the second says both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.data import Ints

GENDERS = ("man", "woman")
TONES = ("yellow", "light", "medium-light", "medium", "medium-dark", "dark")
"""What skin tones of the drawings are called, in their order; "yellow" is that of a drawing without one."""
NOT_SAID = -1
LENGTH = 14
"""Words of a caption, with what begins and ends it, padded."""
_PADDING, _BEGIN, _END = "<padding>", "<begin>", "<end>"
_VOWELS = "aeiou"


def caption(role: str, gender: int = NOT_SAID, tone: int = NOT_SAID) -> str:
    """A caption.

    Args:
        role: what somebody is ("cook") or does ("rowing boat", "in tuxedo").
        gender: position in `GENDERS`, or `NOT_SAID`.
        tone: position in `TONES`, or `NOT_SAID`.

    Example:
        >>> caption("artist"), caption("walking")
        ('a photo of an artist', 'a photo of a person walking')
        >>> caption("artist", 1, 3)
        'a photo of a woman artist with medium skin'
    """
    said = [] if gender == NOT_SAID else [GENDERS[gender]]
    if not said and _is_done(role):
        said = ["person"]
    who = " ".join([*said, role])
    article = "an" if who[0] in _VOWELS else "a"
    skin = "" if tone == NOT_SAID else f" with {TONES[tone]} skin"
    return f"a photo of {article} {who}{skin}"


def _is_done(role: str) -> bool:
    """Whether a role is what somebody does or wears, not what somebody is."""
    words = role.split()
    return words[0] in {"in", "with"} or any(word.endswith("ing") for word in words)


@dataclass(frozen=True)
class Tokenizer:
    """Every word of any caption of some roles is a token.

    Attributes:
        roles: their names.
    """

    roles: Sequence[str]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """By token; padding is 0, and what ends a caption is the highest, which CLIP looks for."""
        ordinary = {"an", *(word for role in self.roles for word in caption(role).split())}
        ordinary |= {word for tone in range(len(TONES)) for word in caption("cook", 0, tone).split()}
        ordinary |= {*GENDERS}
        return (_PADDING, _BEGIN, *sorted(ordinary), _END)

    def tokens(self, role: Ints, gender: Ints, tone: Ints) -> Ints:
        """`(n, LENGTH)` of captions.

        Args:
            role: `(n,)` positions in `roles`.
            gender: `(n,)` of `GENDERS`, or `NOT_SAID`.
            tone: `(n,)` of `TONES`, or `NOT_SAID`.
        """
        facts = np.stack([role, gender, tone], 1)  # (n, 3)
        kinds, of_kind = np.unique(facts, axis=0, return_inverse=True)
        rows = [self._tokens(caption(self.roles[of], gender, tone)) for of, gender, tone in kinds.tolist()]
        return np.array(rows, np.int64).reshape(-1, LENGTH)[of_kind.ravel()]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def _tokens(self, text: str) -> list[int]:
        tokens = [self._numbers[word] for word in (_BEGIN, *text.split(), _END)]
        return tokens + [0] * (LENGTH - len(tokens))
