"""Bias amplification, calibration, fairness, shares and memorisation of somebody's predictions."""

from biasloop.evaluations.amplification import Options, amplification
from biasloop.evaluations.binning import Bins, bins_of
from biasloop.evaluations.calibration import calibration
from biasloop.evaluations.comparable import comparable
from biasloop.evaluations.fairness import fairness
from biasloop.evaluations.gates import AMPLIFICATION, CALIBRATION, FAIRNESS, SHARES, SHARES_OF_TRUTH, Gates, gates
from biasloop.evaluations.memorization import memorization, parse_sizes
from biasloop.evaluations.result import EvaluationResult, beside, write_csv
from biasloop.evaluations.shares import shares

__all__ = [
    "AMPLIFICATION",
    "CALIBRATION",
    "FAIRNESS",
    "SHARES",
    "SHARES_OF_TRUTH",
    "Bins",
    "EvaluationResult",
    "Gates",
    "Options",
    "amplification",
    "beside",
    "bins_of",
    "calibration",
    "comparable",
    "fairness",
    "gates",
    "memorization",
    "parse_sizes",
    "shares",
    "write_csv",
]  # fmt: skip
