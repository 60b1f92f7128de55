"""Classification of texts in a feedback loop."""

from biasloop_textclass.domain import TextClassDomain

__all__ = ["TextClassDomain"]
