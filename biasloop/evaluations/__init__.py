"""Bias amplification, calibration, fairness, shares and memorisation of somebody's predictions."""

from biasloop.evaluations.amplifying import Options, amplification
from biasloop.evaluations.answers import (
    AMPLIFICATION,
    CALIBRATION,
    FAIRNESS,
    SHARES,
    Answer,
    beside,
    gates,
    write_csv,
)
from biasloop.evaluations.binning import Bins, bins_of
from biasloop.evaluations.calibrating import calibration
from biasloop.evaluations.comparable import comparable
from biasloop.evaluations.comparing import fairness
from biasloop.evaluations.memorizing import memorization, parse_sizes
from biasloop.evaluations.sharing import shares

__all__ = [
    "AMPLIFICATION", "CALIBRATION", "FAIRNESS", "SHARES", "Answer", "Bins", "Options", "amplification", "beside",
    "bins_of", "calibration", "comparable", "fairness", "gates", "memorization", "parse_sizes", "shares", "write_csv",
]  # fmt: skip
