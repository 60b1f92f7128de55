"""Words of captions that say a gender: captions that have one leave a text-to-image model no choice."""

from __future__ import annotations

import re

_WOMEN = (
    "woman women female females girl girls lady ladies she her hers herself mother mothers mom moms mum "
    "mums daughter daughters sister sisters wife wives girlfriend girlfriends aunt aunts grandmother "
    "grandmothers grandma niece nieces bride brides queen queens princess princesses actress actresses "
    "waitress businesswoman policewoman gal gals widow heroine"
)
_MEN = (
    "man men male males boy boys gentleman gentlemen he him his himself father fathers dad dads son sons "
    "brother brothers husband husbands boyfriend boyfriends uncle uncles grandfather grandfathers grandpa "
    "nephew nephews groom grooms king kings prince princes actor actors waiter businessman policeman "
    "fireman guy guys fisherman widower"
)
WOMEN, MEN = frozenset(_WOMEN.split()), frozenset(_MEN.split())
"""In lower case."""
WORDS = WOMEN | MEN
GROUPS = ("none", "man-word", "woman-word", "both")
"""What captions are told apart by."""
_WORD = re.compile(r"[a-z]+")


def has_gender_word(caption: str) -> bool:
    """Whether a word of the caption is one of `WORDS`, in upper or lower case."""
    return not WORDS.isdisjoint(_WORD.findall(caption.casefold()))


def gender_group(caption: str) -> int:
    """Which of `GROUPS` a caption is of.

    Example:
        >>> [GROUPS[gender_group(text)] for text in ("A man walks.", "Her dog", "two dogs", "bride and groom")]
        ['man-word', 'woman-word', 'none', 'both']
    """
    words = _WORD.findall(caption.casefold())
    return (not MEN.isdisjoint(words)) + 2 * (not WOMEN.isdisjoint(words))
