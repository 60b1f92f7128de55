"""What the standard error of every metric that a run stores is held against, by the metric's name.

`tests/metrics/test_standard_errors.py` does it; tests of whole runs see that nothing is stored without a check.
"""

import math
import re

from biasloop.store.reader import Run

ROWS, TRUTH, NONE = "a bootstrap of rows", "a known truth", "no error"
CHECKS = {
    # classes: shares, recall, calibration
    r"accuracy|share_(target|train|predicted)|bias|recall\..+|label_error": ROWS,
    r"calibration_gap|overconfidence": ROWS,
    r"absolute_bias|worst_class_recall": TRUTH,
    r"ece|mce": NONE,
    # tasks and groups
    r"epsilon_(target|train)|effective_epsilon|bias_amp(\..+)?": TRUTH,
    r"(valid\.)?(accuracy|selection_rate|tpr|tnr|fpr|fnr)(\..+)?": ROWS,
    r"(valid\.)?(demographic_parity|equalized_odds|accuracy)_difference(\..+)?": TRUTH,
    r"(valid\.)?(demographic_parity|equalized_odds)_ratio": NONE,
    # people of a table
    r"share_(target|train|predicted)\..+|bias\..+": ROWS,
    r"worst_group_accuracy(\..+)?|demographic_parity_difference_(target|train)(\..+)?": TRUTH,
    # populations of a generator
    r"(final_)?population\.(share_label|share_group|confidence)\..+": ROWS,
    r"((valid|population|final_population)\.)?(count\.[^/]+/.+|kl_to_equal)": NONE,
    r"generator_loss(_per_image)?": NONE,
    # texts
    # scores, and ratios of word lists, which a preset names
    r"(count\.)?\w+\.(generated|reference|train|bias)": ROWS,
    r"repeated\.4|empty|memorization\.\d+|perplexity": ROWS,
    r"distinct\.\d": NONE,
    # situations; by base picture, where there are any, in test_roles_measures
    r"verb|(value|value_all)(_any_verb)?|mean_score": ROWS,
    r"women_(train|test|predicted|bias)\..+|polarisation_(train|predicted)": ROWS,
}  # fmt: skip


def check_of(name: str) -> str:
    """How the standard error of a metric of that name is checked."""
    matching = {check for pattern, check in CHECKS.items() if re.fullmatch(pattern, name)}
    assert len(matching) == 1, f"a run stores {name}: say in CHECKS what its standard error is held against"
    return matching.pop()


def assert_checked(run: Run) -> None:
    """Every metric that a run stores has a check of its standard error, or no error."""
    for step in run.manifest.steps():
        for evaluation in run.read(step).evaluations.values():
            for name, metric in evaluation.metrics.items():
                assert check_of(name) != NONE or math.isnan(metric.error), name
