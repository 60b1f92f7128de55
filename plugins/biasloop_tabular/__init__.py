"""Classification of the rows of a table, by estimators of scikit-learn, in a feedback loop."""

from biasloop_tabular.domain import TabularDomain

__all__ = ["TabularDomain"]
