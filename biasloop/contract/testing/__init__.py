"""A conformance kit: what a domain promises beyond what a type checker sees, for the tests of a plugin.

    from biasloop.contract.testing import check

    def test_the_domain_keeps_the_contract(tmp_path):
        check(MyDomain, data_directory=tmp_path, data="small.csv", test=20)

`check` builds the domain with these settings, which should be small ones, and fits a few models. It needs neither
pytest nor a store.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from biasloop.contract.context import Context
from biasloop.contract.domains import Generating, Learning, Sampled, missing_methods
from biasloop.contract.randomness import Streams
from biasloop.contract.testing import generations, labels, mixing, models, protocols, samples
from biasloop.contract.testing.subject import Broken, Subject

__all__ = ["Broken", "check"]


def check(domain: type, /, *, data_directory: Path = Path("data"), **settings: Any) -> list[str]:
    """Hold a domain to its contract.

    * **Protocols**: it has whole capabilities, and methods take as many arguments as the contract gives them.
    * **Data**: splits are disjoint, whatever is asked of ids is the same in any order, two domains of the same settings
      have the same data.
    * **Fits** of the same samples give the same bits, and are not changed by predictions between epochs; stopped at a
      drawn step and resumed, too. They leave their training set as it is; weights that are honoured make a
      difference; ends of epochs are told where that is promised.
    * **Random numbers** come from streams: no call draws from a generator that the whole process shares, or seeds it.
    * **Models** and states are arrays of numbers; saved and loaded, models predict the same bits; predictions do not
      depend on the size of batches.
    * **Labels** have the columns of human labels and do not depend on what else is labelled, or in which order;
      probabilities neither. Losses leave weights out.
    * **Inputs** that are made do not depend on what else is made; fits take them, and those of generators too.
    * **Metrics** are a function of what is stored, where neither fetched data are nor a file that settings name.

    Args:
        domain: the class.
        data_directory: where fetched data lie.
        settings: of [domain], as a preset has them, without `name`: a few dozen samples and short fits will do.

    Returns:
        What was checked, a line each.

    Raises:
        Broken: naming the method, and what was expected of it.
        BiasloopError: the settings, or what they name, are not to be had.
    """
    protocols.check(domain)
    config = domain.Config.model_validate(settings)  # type: ignore[attr-defined] # `protocols.check` has seen it
    subject = Subject(domain, config, Context(data_directory, Streams((0, "data")), threads=1))
    checked = ["protocols"]
    samples.check_domain(subject)
    checked.append("requirements, vocabularies, honours")
    kinds = [kind for kind in (Sampled, Generating) if not missing_methods(domain, kind)]
    if not kinds:
        lacking = " or ".join(", ".join(missing_methods(domain, kind)) for kind in (Sampled, Generating))
        raise Broken(f"{domain.__name__} has neither samples nor generators, which rules are about: it lacks {lacking}")
    if Sampled in kinds:
        samples.check_samples(subject)
        checked.append("splits, human labels, references")
    if Sampled in kinds and not missing_methods(domain, Learning):
        model = models.check_models(subject)
        checked.append("fits, checkpoints, stored models, predictions, metrics")
        labels.check_labels(subject, model)
        checked.append("labels")
        if mixing.check_mixing(subject):
            checked.append("inputs that are made")
    if Generating in kinds:
        generations.check_generations(subject)
        checked.append("annotators, generators, classifiers, populations")
    return checked
