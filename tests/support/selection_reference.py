"""Every selector in NumPy, float64, written as it is published; of those that draw, the probabilities.

`top` is what a selector without chance takes, best first, of scores that are all different.
"""

import numpy as np


def top(scores, k):
    return np.argsort(-scores)[:k]


def softmax(values, axis=-1):
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def cross_entropy(logits, targets):
    return -np.log(softmax(logits))[np.arange(len(targets)), targets]


# --- scores


def gradient_norms(logits, targets):
    one_hot = np.eye(logits.shape[1])[targets]
    return np.sqrt(((softmax(logits) - one_hot) ** 2).sum(1))


def irreducible(irreducible):
    return -irreducible


def rho(losses, irreducible):
    return losses - irreducible


def payoff(losses, irreducible, holdout):
    return np.array([min(loss - column - holdout) for loss, column in zip(losses, irreducible.T, strict=True)])


def fixed_weights(losses, irreducible, holdout, weights, *, clip):
    weighed = [c for c, weight in enumerate(weights) if weight]
    scores = np.zeros(len(losses))
    for c in weighed:
        excess = losses - irreducible[c]
        if clip:
            excess = np.maximum(excess, 0)
        scores += weights[c] / sum(weights) * (excess - holdout[c])
    return scores


def entropy(passes):
    means = softmax(passes).mean(1)
    return -(means * np.log(means)).sum(1)


def conditional_entropy(passes):
    probabilities = softmax(passes)
    return -(probabilities * np.log(probabilities)).sum(2).mean(1)


def bald(passes):
    return entropy(passes) - conditional_entropy(passes)


def loss_minus_conditional_entropy(passes, targets):
    losses = np.mean([cross_entropy(passes[:, i], targets) for i in range(passes.shape[1])], axis=0)
    return losses - conditional_entropy(passes)


class Reducr:
    """Weights that are multiplied and divided by their sum, as in the paper, instead of a sum of exponents."""

    def __init__(self, categories, *, eta=1e-4, model_loss=True, irreducible=True, holdout=True, clip=True,
                 holdout_term="per_selected", per_point=False, weight_floor=0.0):  # fmt: skip
        self.weights = np.full(categories, 1 / categories)
        self.eta, self.model_loss, self.irreducible, self.clip = eta, model_loss, irreducible, clip
        self.subtracted = 0 if not holdout else 1
        self.once, self.per_point, self.floor = holdout_term == "once", per_point, weight_floor

    def select(self, losses, irreducible, holdout, k):
        """Rows, scores, weights used and alpha."""
        n, categories = len(losses), len(self.weights)
        excess = np.zeros((n, categories))
        for b in range(n):
            for c in range(categories):
                if self.model_loss:
                    excess[b, c] += losses[b]
                if self.irreducible:
                    excess[b, c] -= irreducible[c, b]
                if self.clip:
                    excess[b, c] = max(0, excess[b, c])
        used = (1 - self.floor) * self.weights + self.floor / categories
        scores = excess @ used
        rows = top(scores, k)
        if self.once:
            alpha = excess[rows].sum(0) - self.subtracted * holdout
        else:
            alpha = (excess[rows] - self.subtracted * holdout).sum(0)
        if self.per_point:
            alpha = alpha / k
        grown = self.weights * np.exp(-self.eta * alpha)
        self.weights = grown / grown.sum()
        return rows, scores, used, alpha


# --- probabilities of one draw, `(n,)`


def rank_sampling(losses, pressure=100.0):
    n = len(losses)
    ratio = np.exp(np.log(pressure) / n)
    probabilities = np.zeros(n)
    probabilities[np.argsort(-losses)] = 1 / ratio ** np.arange(n)
    return probabilities / probabilities.sum()


def gradient_norm_sampling(logits, targets):
    """With replacement, with weights `(n,)` of losses."""
    norms = gradient_norms(logits, targets)
    probabilities = norms / norms.sum()
    return probabilities, 1 / (len(norms) * probabilities)


def boltzmann_rho(losses, irreducible, temperature):
    return softmax((losses - irreducible) / temperature)


def power_sampling(scores, beta):
    powers = (scores + abs(scores.min())) ** beta
    return powers / powers.sum()


def softmax_sampling(scores, beta):
    return softmax(beta * scores)


def power_rank_sampling(scores, beta):
    probabilities = np.zeros(len(scores))
    probabilities[np.argsort(-scores)] = (np.arange(len(scores)) + 1.0) ** -beta
    return probabilities / probabilities.sum()


def without_replacement(probabilities, k):
    """`(n,)` how likely each is among k that are drawn one after the other."""
    if k == 0:
        return np.zeros(len(probabilities))
    among = probabilities.copy()
    for first, probability in enumerate(probabilities):
        rest = probabilities.copy()
        rest[first] = 0
        if rest.sum() > 0:
            among += probability * without_replacement(rest / rest.sum(), k - 1)
    return among
