"""Somebody's own training and predicting programs, in any language, in a feedback loop."""

from biasloop_command.domain import CommandDomain

__all__ = ["CommandDomain"]
