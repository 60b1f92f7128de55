"""The metrics of a classifier that labels samples for later ones, as far as the columns allow."""

from collections.abc import Sequence

from biasloop.contract import names
from biasloop.contract.data import Frame, Ints, Metric
from biasloop.metrics.calibration import expected_calibration_error
from biasloop.metrics.classification import accuracy, confusion, recalls, worst_class_recall
from biasloop.metrics.shares import share, share_bias


def measure(test: Frame, given: Ints, classes: Sequence[str], chosen: int | None) -> dict[str, Metric]:
    """Metrics of the test set.

    With a chosen class: share_target, share_train and, with predictions, share_predicted, bias (the share
    predicted minus that of targets) and absolute_bias.
    With predictions: accuracy, recall.<class> of the classes that the test set has, worst_class_recall.
    With confidences of the predictions: ece, in 15 bins.

    Args:
        test: columns "target" and perhaps "prediction" and "confidence".
        given: `(n,)` labels that were trained on; may be empty.
        classes: names.
        chosen: the class whose share is followed, or None.
    """
    metrics: dict[str, Metric] = {}
    target = test[names.TARGET]
    prediction = test.columns[names.PREDICTION].values if names.PREDICTION in test else None
    if prediction is not None:
        metrics["accuracy"] = accuracy(prediction, target)
    if chosen is not None:
        metrics["share_target"] = share(target, chosen)
        if len(given):
            metrics["share_train"] = share(given, chosen)
        if prediction is not None:
            bias = share_bias(prediction, target, chosen)
            metrics["share_predicted"] = share(prediction, chosen)
            metrics["bias"] = bias
            metrics["absolute_bias"] = Metric(abs(bias.value), bias.n, bias.error)
    if prediction is None:
        return metrics
    recall = recalls(confusion(prediction, target, len(classes)))
    metrics |= {f"recall.{name}": metric for name, metric in zip(classes, recall, strict=True) if metric.n}
    metrics["worst_class_recall"] = worst_class_recall(prediction, target, len(classes))
    if names.CONFIDENCE in test:
        metrics["ece"] = expected_calibration_error(test[names.CONFIDENCE], prediction == target)
    return metrics
