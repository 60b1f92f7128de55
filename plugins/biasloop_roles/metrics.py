"""The metrics of the domain "roles", from stored tables alone; NumPy, no torch.

Scores are those of `biasloop_roles.measures`. Shares of women (`biasloop_roles.gender`) are told of what was trained
on, of the test set and of predictions, as women_train.GROUP, women_test.GROUP and women_predicted.GROUP, and
women_bias.GROUP is the last less the middle one; GROUP is "overall", "interval_0" to "interval_4", or a verb. Where
shares are imposed, polarisation_train and polarisation_predicted tell how far they have moved away from a half.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from biasloop.contract.data import Frame, Metric, Samples
from biasloop.contract.names import TEST
from biasloop.lazy import numpy as np
from biasloop.metrics.subpopulations import share_among
from biasloop_roles import compat, measures
from biasloop_roles.gender import LEAST, MAN, NEITHER, WOMAN, Genders
from biasloop_roles.labels import FRAMES, NOUNS, NOUNS_OF_VERB, PICTURE, PREDICTED_NOUNS, PREDICTED_VERB, VERB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from biasloop.contract.data import Array, Floats, Ints
    from biasloop_roles.gender import Lists
    from biasloop_roles.situations import Vocabulary

FEWEST = 10
"""A verb with fewer men and women than that does not count for polarisation, where all verbs count the same."""


def measure(
    test: Frame, train: Samples, vocabulary: Vocabulary, lists: Lists, share: Floats | None, *, released: bool
) -> dict[str, Metric]:
    """Metrics of a round; of the set-up those of the test set alone.

    Args:
        test: columns verb, nouns and frames as annotated, perhaps "picture", and perhaps predictions.
        train: what was trained on; perhaps nothing.
        vocabulary: of the nouns.
        lists: which are men and women.
        share: `(verbs,)` shares of women that are imposed; None where none are.
        released: whether to count as the published code does.
    """
    genders = Genders(lists, vocabulary)
    verb = test[VERB]
    true = genders.of(verb, test[FRAMES] if released else test[NOUNS])  # (n,)
    clusters = test[PICTURE] if PICTURE in test else None  # noqa: SIM401 - a frame has no `get`
    strata = None if clusters is None else verb * (WOMAN + 1) + true  # of each verb and gender, two drawings
    metrics = _ratios(genders, TEST, verb, true, clusters, strata, released=released)
    if VERB in train.labels and len(train):
        given = train.labels[VERB]
        of_train = genders.of(given, train.labels[NOUNS])
        metrics |= _ratios(genders, "train", given, of_train, released=released)
        if share is not None:
            metrics["polarisation_train"] = _polarisation(given, of_train, share)
    if PREDICTED_VERB not in test:
        return metrics
    predicted = test[PREDICTED_VERB]
    of_predicted = genders.of(predicted, test[PREDICTED_NOUNS])
    metrics |= _ratios(genders, "predicted", predicted, of_predicted, clusters, strata, released=released)
    biases = genders.biases((predicted, of_predicted), (verb, true), clusters, strata)
    metrics |= {f"women_bias.{name.removesuffix('_ratio')}": bias for name, bias in biases.items()}
    if share is not None:
        metrics["polarisation_predicted"] = _polarisation(predicted, of_predicted, share, clusters, strata)
    scores = measures.scores(verb, test[FRAMES], predicted, test[NOUNS_OF_VERB])
    means = compat.mean_over_images(scores) if released else measures.mean_over_verbs(scores, verb, clusters, strata)
    return metrics | means


def agents_by_verb(
    vocabulary: Vocabulary, lists: Lists, parts: Mapping[str, tuple[Ints, Ints]]
) -> tuple[dict[str, Ints], tuple[str, ...]]:
    """Of each verb how many agents are men, women or neither.

    Args:
        vocabulary: of the nouns.
        lists: which are men and women.
        parts: verbs `(n,)` and nouns `(n, MOST_ROLES)` of splits; one without samples is left out.

    Returns:
        `(verbs, agents)` counts of each split, and what the agents are called; "neither" only where there is one.
    """
    genders = Genders(lists, vocabulary)
    shape = (len(vocabulary.verbs), 3)
    counts = {
        part: np.bincount(np.ravel_multi_index((verb, genders.of(verb, nouns)), shape), minlength=3 * shape[0])
        for part, (verb, nouns) in parts.items()
        if len(verb)
    }
    shown = {part: of.reshape(shape)[:, [MAN, WOMAN, NEITHER]] for part, of in counts.items()}
    if any(of[:, 2].any() for of in shown.values()):
        return shown, ("man", "woman", "neither")
    return {part: of[:, :2] for part, of in shown.items()}, ("man", "woman")


def of_labels(verb: Ints, nouns: Ints, vocabulary: Vocabulary, lists: Lists, share: Floats | None) -> dict[str, Metric]:
    """What feedback moves, of labels alone: polarisation where shares are imposed; standard errors by row.

    Args:
        verb: `(n,)` of labels.
        nouns: `(n, MOST_ROLES)`.
        vocabulary: of the nouns.
        lists: which are men and women.
        share: as in `measure`.
    """
    return (
        {}
        if share is None
        else {"polarisation": _polarisation(verb, Genders(lists, vocabulary).of(verb, nouns), share)}
    )


def _ratios(
    genders: Genders,
    of: str,
    verb: Ints,
    gender: Ints,
    clusters: Array | None = None,
    strata: Array | None = None,
    *,
    released: bool,
) -> dict[str, Metric]:
    """Shares of women, with standard errors by drawing where rows are variants of drawings."""
    if released:
        ratios = compat.ratios(genders, verb, gender)
    elif clusters is None:
        ratios = genders.ratios(verb, gender)
    else:
        woman, known = gender == WOMAN, gender != NEITHER
        shares = {
            name: share_among(woman, group[verb] & known, clusters, strata) for name, group in genders.groups.items()
        }
        ratios = {name: share if share.n >= LEAST else Metric(math.nan, share.n) for name, share in shares.items()}
    return {f"women_{of}.{name.removesuffix('_ratio')}": ratio for name, ratio in ratios.items()}


def _polarisation(
    verb: Ints, gender: Ints, share: Floats, clusters: Array | None = None, strata: Array | None = None
) -> Metric:
    """Of the rows whose agent is man or woman, and of verbs that have `FEWEST` of them; of none NaN."""
    known = gender != NEITHER
    counts = np.bincount(verb[known], minlength=len(share))  # (verbs,)
    rows = known & (counts[verb] >= FEWEST)
    alike = [None if values is None else values[rows] for values in (clusters, strata)]
    return measures.polarisation(verb[rows], gender[rows] == WOMAN, share, *alike)
