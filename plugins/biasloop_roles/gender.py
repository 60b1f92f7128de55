"""How many agents are women: of all verbs, of verbs that mostly men or mostly women do, of single verbs.

An agent is a man where its noun is on a list of male nouns, a woman where it is on the list of female ones; where
records have several frames, where any of their agents is. An agent that is neither, or both, does not count.

Two rules say which agents a record has. By the rule "one" it has one frame: what a model says has no more, training
labels are collapsed to one, and so are the references of a test image, in the same way (of each role the noun that two
annotators agree on, else one of those given). So truth and predictions are counted alike. By the rule "any" all three
frames of a test image count together, which finds more agents, and more that are both; so counts the published code,
for the truth alone.

Source: Taori & Hashimoto (2022), released code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from biasloop.contract.data import Metric
from biasloop.lazy import numpy as np
from biasloop.metrics.shares import binomial
from biasloop.metrics.subpopulations import difference_among
from biasloop_roles.situations import PADDING, Vocabulary

if TYPE_CHECKING:
    from biasloop.contract.data import Array, Bools, Ints

AGENT = "agent"
LEAST = 30
"""A ratio of fewer agents is not told."""
OVERALL = "overall"
NEITHER, MAN, WOMAN = 0, 1, 2
_BOTH = MAN | WOMAN


@dataclass(frozen=True)
class Lists:
    """Which nouns are male and female, and which verbs are looked at together.

    Attributes:
        male: nouns.
        female: nouns.
        intervals: verbs by how large a share of their agents are women, smallest first; without any, all verbs count
            overall, else those of the intervals alone.
        followed: verbs that are looked at by themselves.
    """

    male: frozenset[str]
    female: frozenset[str]
    intervals: tuple[tuple[str, ...], ...] = ()
    followed: tuple[str, ...] = ()


@cache
def imsitu_lists() -> Lists:
    """The published lists for imSitu: 122 male and 29 female nouns, five intervals of 432 verbs, and cooking."""
    lists = json.loads(resources.files(__package__).joinpath("gender_lists.json").read_text("utf-8"))
    return Lists(
        frozenset(lists["male"]), frozenset(lists["female"]),
        tuple(tuple(verbs) for verbs in lists["intervals"]), tuple(lists["followed"]),
    )  # fmt: skip


class GenderSettings(BaseModel):
    """Lists of a person's own, for data whose nouns or verbs are not imSitu's."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    male: list[str] = Field(min_length=1, description="Nouns of agents that are men.")
    female: list[str] = Field(min_length=1, description="Nouns of agents that are women.")
    intervals: list[list[str]] = Field(
        default_factory=list, description="Verbs to look at together; without any, all verbs count overall."
    )
    followed: list[str] = Field(default_factory=list, description="Verbs to look at by themselves.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        both = sorted({*self.male} & {*self.female})
        if both:
            raise ValueError(f"{both[0]!r} is on the list of men and on that of women; a noun is on one of them")
        return self

    def lists(self) -> Lists:
        """What they say."""
        intervals = tuple(tuple(verbs) for verbs in self.intervals)
        return Lists(frozenset(self.male), frozenset(self.female), intervals, tuple(self.followed))


class Genders:
    """Lists, looked up in a vocabulary once.

    Args:
        lists: by name; names that the vocabulary does not have count for nothing.
        vocabulary: of the records.

    Attributes:
        groups: which verbs are looked at together: `(verbs,)` masks by name; "overall", "interval_0", ..., and the
            verbs that are followed.
    """

    def __init__(self, lists: Lists, vocabulary: Vocabulary) -> None:
        nouns = [MAN * (noun in lists.male) | WOMAN * (noun in lists.female) for noun in vocabulary.nouns]
        self._of_noun = np.array([*nouns, NEITHER], np.int8)  # (nouns + 1,) the last for PADDING, which is -1
        self._agent = vocabulary.role_of(AGENT)  # (verbs,)
        verbs = vocabulary.verbs
        intervals = {f"interval_{i}": _among(verbs, interval) for i, interval in enumerate(lists.intervals)}
        overall = np.any([*intervals.values()], axis=0) if intervals else np.ones(len(verbs), np.bool_)
        followed = {verb: _among(verbs, [verb]) for verb in lists.followed}
        self.groups: Mapping[str, Bools] = {OVERALL: overall, **intervals, **followed}

    def of(self, verb: Ints, nouns: Ints) -> Ints:
        """The gender of the agent of each record.

        Args:
            verb: `(n,)` verb ids.
            nouns: `(n, roles)` nouns of one frame ("one"), or `(n, frames, roles)` of several ("any"), in the order of
                the verb's pairs.

        Returns:
            `(n,)` of `MAN`, `WOMAN` and `NEITHER`, which a record also is whose agents are both or whose verb has none.
        """
        column = self._agent[verb]  # (n,)
        agents = nouns[np.arange(len(verb)), ..., column.clip(min=0)]  # (n,) or (n, frames)
        genders = self._of_noun[agents]
        either = np.bitwise_or.reduce(genders, axis=1) if genders.ndim == 2 else genders  # (n,)
        return np.where((column == PADDING) | (either == _BOTH), NEITHER, either).astype(np.int64)

    def counts(self, verb: Ints, gender: Ints) -> Mapping[str, tuple[int, int]]:
        """Women, and agents that are man or woman, by name of `groups`.

        Args:
            verb: `(n,)` verb ids.
            gender: `(n,)` as `of` gives them.
        """
        by_verb = np.bincount(verb * (_BOTH + 1) + gender, minlength=len(self._agent) * (_BOTH + 1))
        by_verb = by_verb.reshape(-1, _BOTH + 1)  # (verbs, genders)
        men, women = by_verb[:, MAN], by_verb[:, WOMAN]
        return {
            name: (int(women[group].sum()), int(men[group].sum() + women[group].sum()))
            for name, group in self.groups.items()
        }

    def ratios(self, verb: Ints, gender: Ints) -> dict[str, Metric]:
        """Shares of women among agents that are man or woman, with their binomial standard errors.

        Args:
            verb: `(n,)` verb ids, those that were predicted or trained on where that is what is looked at.
            gender: `(n,)` as `of` gives them.

        Returns:
            "overall_ratio", "interval_0_ratio", ..., "cooking_ratio", each with the number of agents as n, and NaN
            where that is less than `LEAST`.
        """
        return {f"{name}_ratio": ratio(*counted) for name, counted in self.counts(verb, gender).items()}

    def biases(
        self,
        predicted: tuple[Ints, Ints],
        true: tuple[Ints, Ints],
        clusters: Array | None = None,
        strata: Array | None = None,
    ) -> dict[str, Metric]:
        """Ratios of predictions minus those of the truth, with the standard errors of paired differences.

        Args:
            predicted: predicted verbs and genders of their agents, each `(n,)`.
            true: true verbs and genders, each `(n,)`, of the same images.
            clusters: `(n,)` images that are alike, as `biasloop.metrics.clustered` has them.
            strata: `(n,)` likewise.

        Returns:
            By the names of `ratios`, with the smaller number of agents as n, and NaN where that is less than `LEAST`.
        """
        biases = {}
        for name, group in self.groups.items():
            sides = [(gender == WOMAN, group[verb] & (gender != NEITHER)) for verb, gender in (predicted, true)]
            bias = difference_among(sides[0], sides[1], clusters, strata)
            biases[f"{name}_ratio"] = bias if bias.n >= LEAST else Metric(math.nan, bias.n)
        return biases


def ratio(women: int, agents: int) -> Metric:
    """The share of women among agents; NaN where they are fewer than `LEAST`.

    Example:
        >>> ratio(20, 40).value, ratio(20, 29).n
        (0.5, 29)
        >>> math.isnan(ratio(20, 29).value)
        True
    """
    return binomial(women, agents) if agents >= LEAST else Metric(math.nan, agents)


def _among(verbs: Sequence[str], chosen: Sequence[str]) -> Bools:
    """`(verbs,)` which are among those chosen."""
    known = frozenset(chosen)
    return np.array([verb in known for verb in verbs], np.bool_)
