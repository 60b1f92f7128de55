"""Values by round of one run under the names that layout files know: metrics, families of them, counts of STAR."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from biasloop.contract.data import Floats, Frame
from biasloop.contract.names import CLASSIFIER, DRAWN, GENERATOR, PLACED, SHORTFALL, STAR, logged
from biasloop.report.arms import NAN, Measured
from biasloop.store.manifest import round_name

COUNTED = "star."  # before what STAR counted
STRATA = "population.count."  # before the names of strata, in their order


@dataclass
class Values:
    """One run's values.

    Attributes:
        run: its metrics, round by round.
    """

    run: Measured

    def matching(self, wanted: str) -> dict[str, str]:
        """The names that are meant: of `tpr.*` all that begin with `tpr.`, by what follows; of `tpr[1]` the second.

        Args:
            wanted: a name, or such a family of names.

        Returns:
            What sets a name apart from the others -> name; empty where the run has none.
        """
        known = self._known(star=wanted.startswith(COUNTED))
        if wanted.endswith(".*"):
            return _family(known, wanted[:-1])
        numbered = re.fullmatch(r"(.+)\[(\d+)\]", wanted)
        if numbered:
            members = list(_family(known, f"{numbered[1]}.").values())
            return {"": members[int(numbered[2])]} if int(numbered[2]) < len(members) else {}
        return {"": wanted} if wanted in known else {}

    def of(self, name: str) -> Floats:
        """`(rounds,)` of a known name; NaN where a round has none."""
        return self._star[name] if name.startswith(COUNTED) else self.run.values(name)

    def _known(self, *, star: bool) -> list[str]:
        return list(self._star) if star else list(dict.fromkeys(name for row in self.run.metrics for name in row))

    @cached_property
    def _star(self) -> dict[str, Floats]:
        """What STAR counted, as means over the batches of a round: read from the stored rounds once."""
        reparation = self.run.run.identity["loop"].get("star", "none")
        counted: dict[str, Floats] = {}
        for kind in (CLASSIFIER, GENERATOR):
            if reparation not in {kind, "both"}:
                continue
            frames = [self.run.run.read(round_name(number)).frames for number in self.run.run.rounds]
            tables = [frame.get(logged(kind, STAR)) for frame in frames]
            first = next((table for table in tables if table is not None), None)
            if first is None:
                continue
            counted[f"{COUNTED}{kind}.resampled"] = np.array([self._resampled(table) for table in tables])
            for number, stratum in enumerate(self._strata(first)):
                drawn = [_mean(table, f"{DRAWN}{number}") for table in tables]  # a number a round
                counted[f"{COUNTED}{kind}.drawn.{stratum}"] = np.array(drawn)
        return counted

    def _resampled(self, table: Frame | None) -> float:
        """Places of a batch that the quotas left open, as a share of its size (Wyllie et al. 2024)."""
        if table is None:
            return NAN
        short = _mean(table, SHORTFALL)
        placed = sum(_mean(table, name) for name in table.columns if name.startswith(PLACED))
        # What a single refill puts into these places has no known stratum.
        unknown = short if self.run.run.identity["loop"].get("star_refill") == "single" else 0.0
        return short / (placed + unknown)

    def _strata(self, table: Frame) -> Sequence[str]:
        """The names of strata, as the population has them; else their numbers."""
        count = sum(name.startswith(DRAWN) for name in table.columns)
        names = [name.removeprefix(STRATA) for name in self._known(star=False) if name.startswith(STRATA)]
        return names if len(names) == count else [str(number) for number in range(count)]


def _family(known: Sequence[str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): name for name in known if name.startswith(prefix)}


def _mean(table: Frame | None, column: str) -> float:
    return NAN if table is None else float(np.mean(table[column], dtype=np.float64))  # of (batches,)
