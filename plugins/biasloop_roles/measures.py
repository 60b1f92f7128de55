"""Scores of predicted situations, errors of labels, and how far shares of women are from where they were.

Names, and what they are called where situations are scored elsewhere (Yatskar et al. 2016):

    verb                 verb          the verb is right
    value                value         the share of roles whose noun is right; 0 where the verb is wrong
    value_any_verb       value*        the same, whatever the verb: nouns are those predicted for the true verb
    value_all            value-all     all roles and the verb are right
    value_all_any_verb   value-all*    all roles are right, whatever the verb
    mean_score           avg-score     the mean of these five
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.contract.data import Metric
from biasloop.lazy import numpy as np
from biasloop.metrics.subpopulations import mean_over_groups
from biasloop_roles.situations import PADDING, Vocabulary

if TYPE_CHECKING:
    from biasloop.contract.data import Array, Bools, Floats, Ints

SCORES = ("verb", "value", "value_any_verb", "value_all", "value_all_any_verb", "mean_score")


def right_roles(frames: Ints, nouns: Ints) -> Bools:
    """Which roles have a noun that any of the references has.

    Args:
        frames: `(n, references, roles)` nouns of the true verb's roles, then `PADDING`.
        nouns: `(n, roles)` nouns that are predicted for the roles of the true verb; others count for nothing.

    Returns:
        `(n, roles)`; False where the verb has no further role.

    Example:
        >>> right_roles(np.array([[[7, 8, -1], [6, 8, -1]]]), np.array([[6, 9, -1]]))
        array([[ True, False, False]])
    """
    right: Bools = (frames == nouns[:, None]).any(1) & (frames[:, 0] != PADDING)
    return right


def scores(verb: Ints, frames: Ints, predicted_verb: Ints, nouns: Ints) -> dict[str, Floats]:
    """Scores of each image, by the names of `SCORES`.

    Args:
        verb: `(n,)` true verbs.
        frames: `(n, references, roles)` nouns of the true verb's roles, then `PADDING`.
        predicted_verb: `(n,)`.
        nouns: `(n, roles)` nouns that are predicted for the roles of the true verb.

    Returns:
        `(n,)` each, from 0 to 1.

    Example:
        >>> of_images = scores(np.array([3]), np.array([[[7, 8, -1]]]), np.array([4]), np.array([[7, 9, -1]]))
        >>> {name: float(values[0]) for name, values in of_images.items()}  # doctest: +NORMALIZE_WHITESPACE
        {'verb': 0.0, 'value': 0.0, 'value_any_verb': 0.5, 'value_all': 0.0, 'value_all_any_verb': 0.0,
         'mean_score': 0.1}
    """
    right = right_roles(frames, nouns).sum(1)  # (n,)
    roles = (frames[:, 0] != PADDING).sum(1)  # (n,)
    verb_right = (verb == predicted_verb).astype(np.float64)
    value = right / roles
    value_all = (right == roles).astype(np.float64)
    five = [verb_right, value * verb_right, value, value_all * verb_right, value_all]
    return dict(zip(SCORES, [*five, np.mean(five, axis=0)], strict=True))


def mean_over_verbs(
    of_images: dict[str, Floats], verb: Ints, clusters: Array | None = None, strata: Array | None = None
) -> dict[str, Metric]:
    """Means over true verbs of each verb's mean over its images ("macro"), with standard errors.

    Args:
        of_images: `(n,)` scores by name.
        verb: `(n,)` true verbs.
        clusters: `(n,)` images that are alike, as `biasloop.metrics.clustered` has them.
        strata: `(n,)` likewise.

    Example:
        >>> mean_over_verbs({"verb": np.array([1.0, 1.0, 1.0, 0.0])}, np.array([0, 0, 0, 1]))["verb"].value
        0.5
    """
    return {name: mean_over_groups(values, verb, clusters, strata) for name, values in of_images.items()}


def verb_errors(given_verb: Ints, true_verb: Ints) -> Floats:
    """`(n,)` 1 where the verb is wrong.

    Example:
        >>> verb_errors(np.array([0, 1]), np.array([0, 2]))
        array([0., 1.])
    """
    wrong: Floats = (given_verb != true_verb).astype(np.float64)
    return wrong


def role_errors(vocabulary: Vocabulary, given: tuple[Ints, Ints], truth: tuple[Ints, Ints]) -> Floats:
    """The share of the true verb's roles that a label has wrong.

    Roles are compared by name: a label with another verb that has the role, with the right noun, is right about it (who
    says "eating" of a woman who cooks has the agent right).

    Args:
        vocabulary: which roles verbs have.
        given: verbs `(n,)` and nouns `(n, MOST_ROLES)` of labels that a model gave.
        truth: the same of human ones.

    Returns:
        `(n,)` from 0 to 1.

    Example:
        >>> two = Vocabulary.of([("eat", [{"agent": "man", "food": "egg"}]), ("cook", [{"agent": "man"}])])
        >>> nouns = np.array([[0, 1, -1, -1, -1, -1]])
        >>> role_errors(two, (np.array([1]), nouns[:, [0, 2, 2, 2, 2, 2]]), (np.array([0]), nouns))
        array([0.5])
    """
    wrong, roles = _wrong_roles(vocabulary, given, truth)
    share: Floats = wrong / roles
    return share


def label_errors(vocabulary: Vocabulary, given: tuple[Ints, Ints], truth: tuple[Ints, Ints]) -> Floats:
    """The share of each label that is wrong, of its verb and the roles of the true verb: what `Comparing.errors` asks.

    A label of a verb with two roles has three parts: the verb, and each role as `role_errors` compares it.

    Args:
        vocabulary: which roles verbs have.
        given: verbs `(n,)` and nouns `(n, MOST_ROLES)` of labels that a model gave.
        truth: the same of human ones.

    Returns:
        `(n,)` from 0 to 1.

    Example:
        >>> two = Vocabulary.of([("eat", [{"agent": "man", "food": "egg"}]), ("cook", [{"agent": "man"}])])
        >>> nouns = np.array([[0, 1, -1, -1, -1, -1]])
        >>> label_errors(two, (np.array([0]), nouns[:, [0, 0, 2, 2, 2, 2]]), (np.array([0]), nouns)).round(3)
        array([0.333])
    """
    wrong, roles = _wrong_roles(vocabulary, given, truth)
    share: Floats = (wrong + verb_errors(given[0], truth[0])) / (roles + 1)
    return share


def _wrong_roles(vocabulary: Vocabulary, given: tuple[Ints, Ints], truth: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """`(n,)` how many roles of the true verb a label has wrong, and how many there are."""
    role_of = np.append(vocabulary.pair_role, PADDING)  # (pairs + 1,) the last for PADDING, which is -1
    given_roles, true_roles = (role_of[vocabulary.verb_pairs[verb]] for verb, _ in (given, truth))  # (n, roles)
    real = true_roles != PADDING
    same_role = true_roles[:, :, None] == given_roles[:, None]  # (n, roles of truth, roles of given)
    same_noun = truth[1][:, :, None] == given[1][:, None]
    right = (same_role & same_noun).any(2) & real  # (n, roles)
    return (real & ~right).sum(1), real.sum(1)


def polarisation(
    verb: Ints,
    woman: Bools,
    share: Floats,
    clusters: Array | None = None,
    strata: Array | None = None,
) -> Metric:
    """By how much the shares of women have moved away from a half: the mean over verbs of sign(s - 1/2) (w - s).

    Where a verb has a share of women s below a half and is seen with w, fewer, that counts positive, and so does one
    above a half that is seen with more. Of predictions verbs are those that are *predicted*: what later training labels
    would say of them. A verb that no row has is left out, one with s = 1/2 counts 0.

    Args:
        verb: `(n,)` verbs of labels or predictions whose agent is man or woman.
        woman: `(n,)` whether it is a woman.
        share: `(verbs,)` share of women s of each verb; finite.
        clusters: `(n,)` images that are alike, as `biasloop.metrics.clustered` has them: of test images the base
            picture.
        strata: `(n,)` likewise: of test images the true verb and gender.

    Returns:
        A value from -1 to 1/2, 0 where every share is what it should be; n is the number of rows.

    Example:
        One woman of four where there should be two of five, four of four where there should be three of five.

        >>> woman = np.array([True, False, False, False, True, True, True, True])
        >>> moved = polarisation(np.array([0, 0, 0, 0, 1, 1, 1, 1]), woman, np.array([0.4, 0.6]))
        >>> round(moved.value, 3), moved.n
        (0.275, 8)
    """
    values = np.sign(share - 0.5)[verb] * (woman - share[verb])  # (n,)
    return mean_over_groups(values, verb, clusters, strata)
