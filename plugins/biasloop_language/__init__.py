"""Conditional language generation in a feedback loop: models continue prompts, and later models learn from that."""

from biasloop_language.domain import LanguageDomain

__all__ = ["LanguageDomain"]
