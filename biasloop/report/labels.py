"""What metrics are called where people read them."""

from collections.abc import Mapping

WORDS = {
    "share_predicted": "Share predicted",
    "accuracy": "Accuracy",
    "bias": "Bias",
    "ece": "Calibration error (ECE)",
}
"""Of metrics that a preset has no label for, on axes."""


def heading(name: str, labels: Mapping[str, str]) -> str:
    """A metric above a column: the preset's label, else its name in words.

    Example:
        >>> heading("worst_class_recall", {}), heading("ece", {"ece": "ECE of all"})
        ('worst class recall', 'ECE of all')
    """
    return labels.get(name) or name.replace("_", " ")


def axis(name: str, labels: Mapping[str, str]) -> str:
    """A metric beside an axis, likewise, with words of its own for some.

    Example:
        >>> axis("ece", {})
        'Calibration error (ECE)'
    """
    return labels.get(name) or WORDS.get(name) or name.replace("_", " ")
