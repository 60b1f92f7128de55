"""Scenarios in a few words, and one played sample by sample."""

import random

from biasloop.scenario.settings import Scenario


def scenario(delta: float = 0.05, generated: object = 1.0, stream: int = 4_000, **changes: object) -> Scenario:
    """A stream of one source; what else it says, by key."""
    values = {
        "baseline": 0.3,
        "rounds": 10,
        "start": 1_000,
        "model": {"delta": delta},
        "stream": {"samples": stream, "generated": generated},
    }
    return Scenario.model_validate(values | changes)


def played(asked: Scenario, seed: int) -> list[float]:
    """The bias of every round of one play in which each sample is drawn by itself; no growth, `keep` any.

    It shares no line with the package: a training set is a list of (label, weight), and every sample walks through
    stream, source, acceptance and detector one by one.
    """
    chance = random.Random(seed)

    def draw(probability: float) -> bool:
        return chance.random() < probability

    tpr, fpr = (asked.detector.tpr, asked.detector.fpr) if asked.detector else (0.0, 0.0)
    pool = [(draw(asked.baseline + asked.start_bias), 1.0) for _ in range(asked.start)]
    shares, fits = [], []
    for t in range(asked.rounds + 1):
        if t:
            new = [(draw(asked.baseline), asked.human.weight) for _ in range(asked.human.samples)]
            generated = 0
            for _ in range(asked.stream.samples):
                if draw(asked.stream.generated[min(t, len(asked.stream.generated)) - 1]):
                    generated += 1
                elif not draw(fpr):
                    new.append((draw(asked.baseline), 1.0))
            if asked.human.instead_of == "generated":
                generated = max(generated - asked.human.samples, 0)
            for _ in range(generated):
                (source,) = chance.choices(asked.sources, [each.share for each in asked.sources])
                error = asked.model.delta if source.delta is None else source.delta
                share = {
                    "previous": shares[-1] + error + fits[-1],
                    "first": shares[0] + error + fits[0],
                    "other": asked.baseline + error + source.drift * (t - 1),
                }[source.labelled_by]
                if draw(source.acceptance) and not draw(tpr):
                    new.append((draw(share), source.weight))
            pool = new if asked.keep == "replace" else pool + new
        train = chance.sample(pool, asked.start) if asked.keep == "subsample" else pool
        shares.append(sum(weight for label, weight in train if label) / sum(weight for _, weight in train))
        fits.append(chance.gauss(0, asked.model.spread))
    return [share + asked.model.delta + fit - asked.baseline for share, fit in zip(shares, fits, strict=True)]
