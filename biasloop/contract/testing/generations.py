"""Generators, classifiers and annotators of a domain of generations."""

from __future__ import annotations

from typing import Any

from biasloop.contract import names
from biasloop.contract.batching import Batches
from biasloop.contract.data import Frame, Samples, Tables
from biasloop.contract.domains import Annotating, Sampling, Source, Storing
from biasloop.contract.inputs import Picturing
from biasloop.contract.testing.fits import check_fit
from biasloop.contract.testing.models import check_measured, check_stored
from biasloop.contract.testing.said import check_pictures
from biasloop.contract.testing.subject import Recorder, Subject, demand, work
from biasloop.lazy import numpy as np

_DRAWN = 3  # pictures of a generator


def check_generations(subject: Subject) -> None:
    """Two generations' worth of fits, what they leave and what is measured of it."""
    domain = subject.built()
    demand(isinstance(domain, Storing), f"{subject.name} has fits, and no save and load to keep models with")
    targets = domain.targets()
    demand(
        len(targets) > 0 and min(targets.values()) > 1,
        f"{subject.name}.targets gives {dict(targets)}, expected the label, then groups, each with 2 classes or more",
    )
    annotators = []
    for target in targets:
        kind = f"{names.ANNOTATOR_OF}{target}"

        def annotate(of: Any, call: Recorder, target: str = target) -> Any:
            return of.fit_annotator(target, call)

        arrays = check_fit(subject, kind, "fit_annotator", annotate)
        annotators.append(domain.load(kind, arrays))
        if isinstance(domain, Annotating):

            def predict(of: Any, model: Any, target: str = target) -> Tables:
                predicted: Tables = of.predict_annotator(target, model, work("predict"))
                return predicted

            check_stored(subject, kind, arrays, predict)
    generator = _generator(subject, domain, annotators)
    fresh = Source(generator, annotators[0], annotators, Batches(1.0))
    arrays = check_fit(subject, names.CLASSIFIER, "fit_classifier", lambda of, call: of.fit_classifier(fresh, call))
    classifier = check_stored(
        subject, names.CLASSIFIER, arrays, lambda of, model: of.predict_classifier(model, work("predict"))
    )
    population = domain.predict_population(generator, classifier, annotators, work(names.POPULATION))
    demand(names.POPULATION in population, f"{subject.name}.predict_population gives no table 'population'")
    predicted = domain.predict_classifier(classifier, work("predict"))
    nothing = np.zeros(0, np.int64)
    train = Samples(nothing, nothing.astype(np.bool_), Frame())
    references = domain.references(work("references"))
    check_measured(subject, references, {**predicted, **population}, train)
    test = references.get(names.TEST, Frame())
    if isinstance(domain, Picturing) and names.IDS in test:
        check_pictures(subject, domain, test[names.IDS])


def _generator(subject: Subject, domain: Any, annotators: list[Any]) -> Any:
    """One of real data, then one of samples of it."""
    real = Source(None, None, annotators, Batches(0.0))
    arrays = check_fit(subject, names.GENERATOR, "fit_generator", lambda of, call: of.fit_generator(real, call))
    first = domain.load(names.GENERATOR, arrays)
    second = Source(first, None, annotators, Batches(0.5))
    arrays = check_fit(subject, names.GENERATOR, "fit_generator", lambda of, call: of.fit_generator(second, call))
    if isinstance(domain, Sampling):
        drawn = domain.samples(first, _DRAWN, work("samples"))
        demand(
            drawn.ndim == 4 and len(drawn) == _DRAWN and drawn.dtype == np.uint8,
            f"{subject.name}.samples gives {drawn.dtype} {drawn.shape}, expected uint8 ({_DRAWN}, H, W, C)",
        )
    return check_stored(
        subject, names.GENERATOR, arrays,
        lambda of, model: of.predict_population(model, annotators[0], annotators, work(names.POPULATION)),
    )  # fmt: skip
