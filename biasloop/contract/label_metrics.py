"""Labels that can be measured by themselves: what feedback moves is told where models label, besides test samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # finding plugins loads no NumPy
    from biasloop.contract.data import Frame, Metric, Vocabularies


@runtime_checkable
class MeasuringLabels(Protocol):
    """Labels that have a statistic, such as the share of a class."""

    def measure_labels(self, labels: Frame, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Metrics of some labels, whoever gave them.

        A rule asks for those that a model gave samples of the reserve, and for those of humans of the same samples: by
        how much they differ is the model's calibration error on the data that it labels. A function of settings and of
        what a run stores, as `Sampled.measure`.

        Args:
            labels: the columns of `human_labels`.
            vocabularies: names of what columns index.
        """
