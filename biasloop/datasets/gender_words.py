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
WORDS = frozenset(f"{_WOMEN} {_MEN}".split())
"""In lower case."""
_WORD = re.compile(r"[a-z]+")


def has_gender_word(caption: str) -> bool:
    """Whether a word of the caption is one of `WORDS`, in upper or lower case."""
    return not WORDS.isdisjoint(_WORD.findall(caption.casefold()))
