"""Chains of generators and classifiers, each trained on what the ones before it made (Wyllie et al. 2024)."""

from biasloop_generators.domain import GeneratorsDomain

__all__ = ["GeneratorsDomain"]
