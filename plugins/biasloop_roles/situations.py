"""Situations: a verb and a noun for each of its roles, and which of them a data set has.

A vocabulary lists verbs, roles and nouns, and of every pair (verb, role) the nouns that occur there. Ids go by first
appearance, as the published encoder's do, so that a vocabulary depends on the order of the records alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.data import Ints

MOST_ROLES = 6
"""Roles of a verb, at most (imSitu has 1 to 6)."""
EMPTY = ""
"""The noun of a role that nothing fills: a noun like any other."""
PADDING = -1
"""In place of a noun where a verb has no further role."""

Record = tuple[str, Sequence[Mapping[str, str]]]
"""A verb and frames, each of which gives the noun of every role of the verb."""


@dataclass(frozen=True)
class Vocabulary:
    """Verbs, roles and nouns, and the nouns of every pair (verb, role).

    Pairs of a verb stand together, verbs in the order of their ids; the slots of a pair, one a noun that it knows,
    stand together, pairs in their order.

    Attributes:
        verbs: names by verb id.
        roles: names by role id.
        nouns: names by noun id; "" is one where a role was left empty.
        pair_verb: `(pairs,)` the verb of each, ascending.
        pair_role: `(pairs,)` the role of each.
        slot_pair: `(slots,)` the pair of each, ascending.
        slot_noun: `(slots,)` the noun of each.
    """

    verbs: tuple[str, ...]
    roles: tuple[str, ...]
    nouns: tuple[str, ...]
    pair_verb: Ints
    pair_role: Ints
    slot_pair: Ints
    slot_noun: Ints

    @classmethod
    def of(cls, records: Iterable[Record]) -> Vocabulary:
        """What occurs in records, by first appearance.

        Raises:
            InvalidInput: a verb has no role or more than `MOST_ROLES`, or two of its frames differ in their roles.
        """
        verbs: dict[str, dict[str, dict[str, int]]] = {}  # by verb, role and noun: the noun's id
        roles: dict[str, int] = {}
        nouns: dict[str, int] = {}
        for verb, frames in records:
            for frame in frames:
                pairs = verbs.get(verb)
                if pairs is None:
                    if not 1 <= len(frame) <= MOST_ROLES:
                        raise InvalidInput(f"verb {verb!r} has {len(frame)} roles; 1 to {MOST_ROLES} can be read")
                    pairs = verbs[verb] = {role: {} for role in frame}
                if frame.keys() != pairs.keys():
                    raise InvalidInput(
                        f"a frame of verb {verb!r} has the roles {', '.join(sorted(frame)) or 'none'}, another of them "
                        f"{', '.join(sorted(pairs))}; all frames of a verb need the same"
                    )
                for role, noun in frame.items():
                    roles.setdefault(role, len(roles))
                    pairs[role].setdefault(noun, nouns.setdefault(noun, len(nouns)))
        pairs_of = [(verb, role) for verb, its_roles in enumerate(verbs.values()) for role in its_roles]
        slots_of = [slots for its_roles in verbs.values() for slots in its_roles.values()]
        return cls(
            tuple(verbs), tuple(roles), tuple(nouns),
            np.array([verb for verb, _ in pairs_of], np.int64),
            np.array([roles[role] for _, role in pairs_of], np.int64),
            np.repeat(np.arange(len(slots_of)), [len(slots) for slots in slots_of]),
            np.array([noun for slots in slots_of for noun in slots.values()], np.int64),
        )  # fmt: skip

    @cached_property
    def verb_pairs(self) -> Ints:
        """`(verbs, MOST_ROLES)` the pairs of each verb in ascending order, then `PADDING`."""
        table = np.full((len(self.verbs), MOST_ROLES), PADDING, np.int64)
        first = np.searchsorted(self.pair_verb, np.arange(len(self.verbs)))
        table[self.pair_verb, np.arange(len(self.pair_verb)) - first[self.pair_verb]] = np.arange(len(self.pair_verb))
        return table

    @cached_property
    def pair_start(self) -> Ints:
        """`(pairs + 1,)` where the slots of each pair begin, and where the last end."""
        return np.searchsorted(self.slot_pair, np.arange(len(self.pair_verb) + 1))

    @cached_property
    def _slot_keys(self) -> tuple[Ints, Ints]:
        """Sorted keys (pair, noun), and the slot of each."""
        keys = self.slot_pair * len(self.nouns) + self.slot_noun
        order = np.argsort(keys)
        return keys[order], order

    def slots(self, verb: Ints, nouns: Ints) -> Ints:
        """The slots of situations.

        Args:
            verb: `(n,)` verb ids.
            nouns: `(n, MOST_ROLES)` noun ids in the order of the verb's pairs; others count for nothing.

        Returns:
            `(n, MOST_ROLES)` slots; `PADDING` where the verb has no further role.

        Raises:
            InvalidInput: a pair does not know its noun.
        """
        keys, order = self._slot_keys
        pairs = self.verb_pairs[verb]  # (n, roles)
        wanted = pairs * len(self.nouns) + nouns
        at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
        real = pairs >= 0
        wrong = real & ((keys[at] != wanted) | (nouns < 0) | (nouns >= len(self.nouns)))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            pair, noun = pairs[row, column], int(nouns[row, column])
            named = repr(self.nouns[noun]) if 0 <= noun < len(self.nouns) else f"number {noun}"
            raise InvalidInput(
                f"noun {named} never occurs as {self.roles[self.pair_role[pair]]} of {self.verbs[self.pair_verb[pair]]}"
            )
        return np.where(real, order[at], PADDING)

    def role_of(self, name: str) -> Ints:
        """`(verbs,)` in which column of its nouns a verb has the role; `PADDING` where it has not.

        A role that nobody knows is none of any verb.
        """
        role = self.roles.index(name) if name in self.roles else len(self.roles)
        pairs = self.verb_pairs
        same = (pairs >= 0) & (self.pair_role[pairs] == role)
        return np.where(same.any(1), same.argmax(1), PADDING)
