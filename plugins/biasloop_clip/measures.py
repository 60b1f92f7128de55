"""The metrics of the domain "clip", from stored tables alone; NumPy, no torch.

Roles are "men_roles" or "women_roles", by who has most of their pictures in the pool. Of CLIP, on the test set:

    recall_at_1, _5, _10         the picture of an explicit caption is among the k nearest, of one picture a drawing
    recall_at_1_gap              of captions of a role's majority, less of its minority; roles count the same
    neutral_auc.ROLES            how probably a woman's picture is nearer to its role's neutral caption than a man's
    neutral_auc_difference       of women's roles less of men's; 0 where a caption retrieves either gender alike
    self_similarity.GENDER       mean cosine of two pictures; self_similarity_gap is of women less of men

Of the generator, at guidance G (g1 is what it learnt), from pictures that a classifier has read:

    women_neutral.gG.ROLES       share of women among pictures for neutral captions; roles count the same
    women_explicit.gG.ROLES      the same for explicit captions, mixed as in the pool: the control, wrong as often
    neutral_minus_explicit.gG.ROLES
    amplification.gG             by how much neutral captions move the share away from a half, over all roles
    compliance.gG                explicit captions whose gender is read; role_read.gG: whose role is
    precision.gG, recall.gG      pictures that lie among real ones, and real ones that lie among them

Standard errors of CLIP are by drawing, or over roles where numbers are of roles; those of generated pictures are of
pictures drawn afresh for the same roles. What another seed would change is not in them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from biasloop.contract.data import Frame, Metric, Samples
from biasloop.contract.names import EMBEDDING, TEST
from biasloop.lazy import numpy as np
from biasloop.metrics import retrieval
from biasloop.metrics.clustered import standard_error
from biasloop.metrics.subpopulations import mean_over_groups
from biasloop_clip.captions import GENDERS, NOT_SAID
from biasloop_clip.generated import AMONG, GENERATED, GUIDANCE, READ, READ_GENDER, READ_ROLE, REAL
from biasloop_clip.pictures import GENDER, ROLE

if TYPE_CHECKING:
    from biasloop.contract.data import Bools, Floats, Ints, Tables

CAPTIONS = "captions"
CAPTION, DRAWING, GALLERY, SHARE = "caption", "drawing", "gallery", "share"
_KS = (1, 5, 10)
_WOMAN = 1
_GROUPS = ("men_roles", "women_roles")


def measure(tables: Tables, train: Samples) -> dict[str, Metric]:
    """Metrics of a round; of the set-up those of what is learnt from alone.

    Args:
        tables: "test" and "captions" of the references, with embeddings if there are some, and those of a generator.
        train: what was trained on; perhaps nothing.
    """
    captions = tables[CAPTIONS]
    neutral = captions[GENDER] == NOT_SAID
    share = captions[SHARE][neutral]  # (roles,) neutral captions come first, in the order of roles
    metrics = _of_train(train.labels, share) if len(train) else {}
    if EMBEDDING in tables[TEST]:
        metrics |= _of_clip(tables[TEST], captions, share)
    if GENERATED in tables:
        metrics |= _of_maker(tables[GENERATED], tables[REAL], share)
        read = tables[READ]
        metrics["reader_accuracy"] = _share(read[GENDER] == read[READ_GENDER])
        metrics["reader_role_accuracy"] = _share(read[ROLE] == read[READ_ROLE])
    return metrics


def _of_train(labels: Frame, share: Floats) -> dict[str, Metric]:
    """Shares of women by what explicit captions say."""
    if GENDER not in labels:
        return {}
    said = labels[GENDER] != NOT_SAID
    metrics = {}
    for group, roles in zip(_GROUPS, _roles(share), strict=True):
        rows = said & roles[labels[ROLE]]
        count = int(rows.sum())
        value = float((labels[GENDER][rows] == _WOMAN).mean()) if count else math.nan
        metrics[f"women_train.{group}"] = Metric(value, count)
    return metrics


def _of_clip(test: Frame, captions: Frame, share: Floats) -> dict[str, Metric]:
    pictures, texts = test[EMBEDDING].astype(np.float64), captions[EMBEDDING].astype(np.float64)
    role, gender, drawing = test[ROLE], test[GENDER], test[DRAWING]
    rank = ranks(texts[test[CAPTION]], pictures, test[GALLERY])  # (n,)
    metrics = {f"recall_at_{k}": retrieval.recall(rank, k, clusters=drawing) for k in _KS}
    of_majority = gender == (share[role] > 0.5)
    metrics["recall_at_1_gap"] = _over_roles(_role_means(rank < 1, role, of_majority, len(share))
                                             - _role_means(rank < 1, role, ~of_majority, len(share)))  # fmt: skip
    auc = np.array(
        [
            probably_nearer(
                pictures[(role == r) & (gender == _WOMAN)], pictures[(role == r) & (gender != _WOMAN)], texts[r]
            )
            for r in range(len(share))
        ]
    )  # (roles,)
    men, women = (_over_roles(auc[roles]) for roles in _roles(share))
    metrics |= {"neutral_auc.men_roles": men, "neutral_auc.women_roles": women}
    metrics["neutral_auc_difference"] = _less(women, men)
    alike = [self_similarity(pictures[gender == of], drawing[gender == of]) for of in range(len(GENDERS))]
    metrics |= {f"self_similarity.{name}": of for name, of in zip(GENDERS, alike, strict=True)}
    metrics["self_similarity_gap"] = _less(alike[1], alike[0])
    return metrics


def ranks(queries: Floats, pictures: Floats, gallery: Ints) -> Ints:
    """`(n,)` how many pictures of its gallery are nearer to a query than its own; of equals the first is nearer.

    Args:
        queries: `(n, size)` of unit length; the i-th asks for the i-th picture.
        pictures: `(n, size)` of unit length.
        gallery: `(n,)` which pictures are looked through together.
    """
    rank = np.zeros(len(queries), np.int64)
    for number in np.unique(gallery):
        rows = np.flatnonzero(gallery == number)
        rank[rows] = retrieval.ranks(queries[rows], pictures[rows])
    return rank


def probably_nearer(first: Floats, second: Floats, text: Floats) -> float:
    """How probably a picture of the first is nearer to a caption than one of the second (AUC); equals count half.

    Example:
        >>> pictures = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> probably_nearer(pictures[:1], pictures[1:], np.array([0.6, 0.8]))
        0.0
    """
    apart = (first @ text)[:, None] - (second @ text)[None]
    return float((np.sign(apart).mean() + 1) / 2)


def self_similarity(pictures: Floats, drawing: Ints) -> Metric:
    """The mean cosine of two pictures that are drawn with replacement: ||mu||^2 of their mean mu.

    Args:
        pictures: `(n, size)` of unit length.
        drawing: `(n,)` pictures that are alike.
    """
    mean = pictures.mean(0)
    near = pictures @ mean  # (n,)
    value = float(mean @ mean)
    return Metric(value, len(pictures), standard_error(2 * (near - value) / len(pictures), drawing))


def _of_maker(made: Frame, real: Frame, share: Floats) -> dict[str, Metric]:
    metrics: dict[str, Metric] = {}
    for index, guidance in enumerate(np.unique(made[GUIDANCE]).tolist()):
        name, rows = f"g{guidance:g}", made.take(made[GUIDANCE] == guidance)
        woman = (rows[READ_GENDER] == _WOMAN).astype(np.float64)
        neutral, role = rows[GENDER] == NOT_SAID, rows[ROLE]
        differences = []
        for group, roles in zip(_GROUPS, _roles(share), strict=True):
            of_group = roles[role]
            plain = mean_over_groups(woman[neutral & of_group], role[neutral & of_group])
            control = _control(woman, role, rows[GENDER], of_group, share)
            differences.append(_less(plain, control))
            metrics |= {f"women_neutral.{name}.{group}": plain, f"women_explicit.{name}.{group}": control}
            metrics[f"neutral_minus_explicit.{name}.{group}"] = differences[-1]
        men, women = differences
        error = math.hypot(men.error, women.error) / 2
        metrics[f"amplification.{name}"] = Metric((women.value - men.value) / 2, men.n + women.n, error)
        said = rows.take(~neutral)
        kind = said[ROLE] * len(GENDERS) + said[GENDER]
        metrics[f"compliance.{name}"] = mean_over_groups((said[READ_GENDER] == said[GENDER]).astype(np.float64), kind)
        metrics[f"role_read.{name}"] = mean_over_groups((said[READ_ROLE] == said[ROLE]).astype(np.float64), kind)
        metrics[f"precision.{name}"] = _share(rows[AMONG][neutral])
        metrics[f"recall.{name}"] = _share(real[AMONG][:, index])
    return metrics


def _control(woman: Floats, role: Ints, asked: Ints, of_group: Bools, share: Floats) -> Metric:
    """Share of women among pictures for explicit captions, mixed as in the pool."""
    parts = []
    for gender in range(len(GENDERS)):
        rows = (asked == gender) & of_group
        weight = (share if gender == _WOMAN else 1 - share)[role[rows]]  # one for all roles of a group
        parts.append(mean_over_groups(woman[rows] * weight, role[rows]))
    error = math.hypot(*(part.error for part in parts))
    return Metric(sum(part.value for part in parts), sum(part.n for part in parts), error)


def _roles(share: Floats) -> tuple[Bools, Bools]:
    """`(roles,)` which are mostly men's, and which mostly women's."""
    return share < 0.5, share > 0.5


def _role_means(hits: Bools, role: Ints, rows: Bools, roles: int) -> Floats:
    """`(roles,)` mean of some rows of each role."""
    counts = np.bincount(role[rows], minlength=roles)
    means: Floats = np.bincount(role[rows], hits[rows], minlength=roles) / np.maximum(counts, 1)
    return means


def _over_roles(values: Floats) -> Metric:
    """The mean of a number that roles have, with the error of roles drawn at random."""
    n = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Metric(float(values.mean()) if n else math.nan, n, error)


def _share(hits: Bools) -> Metric:
    """The share of hits among independent rows."""
    return retrieval.mean(hits.astype(np.float64))


def _less(first: Metric, second: Metric) -> Metric:
    """A difference of independent numbers."""
    return Metric(first.value - second.value, first.n + second.n, math.hypot(first.error, second.error))
