"""Arms beside their bound, round by round: means and who exceeds what, whatever the sign."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from biasloop.report.html.bounded import BoundRound, _round


def run(bias, bound, per_round=None):
    each = None if per_round is None else np.array(per_round)
    return SimpleNamespace(bias=np.array(bias), bound=np.array(bound), per_round=each)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_bias_exceeds_its_bound_by_its_magnitude(sign):
    runs = [run([0, sign * 0.30], [0, sign * 0.20]), run([0, sign * 0.10], [0, sign * 0.20]),
            run([0, -sign * 0.05], [0, sign * 0.20])]  # fmt: skip
    row = _round(runs, 1)
    assert (row.exceeded, row.seeds, row.mean_exceeded) == (1, 3, False)
    assert (row.bias, row.bound) == (pytest.approx(sign * 0.35 / 3), pytest.approx(sign * 0.2))
    assert BoundRound(1, sign * 0.3, sign * 0.2, math.nan, 1, 1).mean_exceeded
    assert not BoundRound(1, sign * 0.2, sign * 0.2, math.nan, 0, 1).mean_exceeded


def test_a_round_is_of_the_runs_that_have_bias_and_bound_in_it():
    runs = [run([0.1, 0.2], [0.1, 0.3], [0.1, 0.25]), run([0.1], [0.1]), run([0.1, math.nan], [0.1, 0.5])]
    row = _round(runs, 1)
    assert (row.bias, row.bound, row.per_round, row.seeds) == (0.2, 0.3, 0.25, 1)
    assert _round(runs, 2) is None
    assert math.isnan(_round([run([0.1], [0.1])], 0).per_round)
