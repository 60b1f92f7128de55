"""What the section [selection] needs of a selector and of a domain, compared before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from biasloop.contract.domains import (
    SELECTION,
    Checking,
    Demands,
    Domain,
    Learning,
    Sampled,
    Storing,
    honoured,
    missing_methods,
)
from biasloop.contract.losing import Dropping, Heading, Losing, Varied
from biasloop.contract.selection import CLASS_IRREDUCIBLE, IRREDUCIBLE, LOGITS, LOSSES, NO_DROPOUT, PASSES, Selector
from biasloop.contract.variants import Shared
from biasloop.errors import InvalidInput, Mismatch
from biasloop.feedback.selection_settings import SelectionSettings

UPDATING = ("rho", "fixed-weights")
"""Selectors whose models of irreducible losses may go on learning, as in the released code of both studies."""


class Selectable(Domain, Sampled, Learning[Any], Storing, Losing[Any], Protocol):
    """What selection asks of a domain; besides, for some settings, `Heading` and `Varied`."""


def needs_losses(selector: Selector) -> bool:
    """Whether irreducible losses are needed."""
    return bool(selector.needs & {IRREDUCIBLE, CLASS_IRREDUCIBLE})


def require(settings: SelectionSettings, selector: Selector, domain: Domain, name: str) -> None:
    """Compare settings with each other, and with what the domain of that name can do.

    Raises:
        Mismatch: naming what it lacks, or what is of no use.
    """
    own, what = settings.irreducible, f"selection.name = {settings.name!r}"
    needed: list[tuple[str, type]] = [(what, Losing)]
    if CLASS_IRREDUCIBLE in selector.needs:
        needed.append((what, Heading))
    if own.domain and needs_losses(selector):
        needed.append(("selection.irreducible.domain", Varied))
    if own.updating is not None and needs_losses(selector):
        needed.append(("selection.irreducible.updating", Varied))
    if settings.proxy is not None:
        needed.append(("selection.proxy", Varied))
    for key, capability in needed:
        lacking = missing_methods(type(domain), capability)
        if lacking:
            out, methods = "[selection]" if key is what else key, ", ".join(lacking)
            raise Mismatch(
                f"the domain {name!r} cannot have {key}: it has no {methods}; take {out} out, or use a domain that has"
            )
    if SELECTION not in honoured(domain):
        raise Mismatch(f"the domain {name!r} does not select what it learns from; take [selection] out")
    if settings.proxy is not None and not selector.needs & {LOSSES, LOGITS, PASSES}:
        raise Mismatch(
            f"selection.proxy scores candidates in the model's place, and {what} scores by no model that is being "
            "trained; take the proxy out, or set another selector"
        )
    if own.updating is not None and needs_losses(selector) and settings.name not in UPDATING:
        raise Mismatch(
            f"selection.irreducible.updating is known of the selectors {' and '.join(map(repr, UPDATING))}, and "
            f"{what}; take it out, or set one of these"
        )


def check_dropout(settings: SelectionSettings, selector: Selector, domain: Domain) -> None:
    """Whether the network that scores has the dropout that passes differ by; found out in the fit where nobody says.

    Raises:
        InvalidInput: it has none.
    """
    if PASSES not in selector.needs:
        return
    scoring: object = domain
    if settings.proxy is not None:
        assert isinstance(domain, Varied)
        scoring = domain.variant(settings.proxy, "batches")
    if isinstance(scoring, Dropping) and not scoring.has_dropout():
        raise InvalidInput(NO_DROPOUT)


def check_variants(settings: SelectionSettings, selector: Selector, domain: Domain) -> None:
    """Settings of other models than the run's own, which would be found out only when these are trained.

    Raises:
        InvalidInput: a setting is none, or cannot be another than the run's.
    """
    own, asked = settings.irreducible, list[tuple[str, Mapping[str, object], Shared]]()
    if settings.proxy is not None:
        asked.append(("selection.proxy", settings.proxy, "batches"))
    if own.domain and needs_losses(selector):
        asked.append(("selection.irreducible.domain", own.domain, "data" if own.updating is None else "inputs"))
    for key, changes, shared in asked:
        assert isinstance(domain, Varied)
        try:
            variant = domain.variant(changes, shared)
            if isinstance(variant, Checking):
                variant.check(Demands())
        except InvalidInput as error:
            raise InvalidInput(f"{key}: {error}") from error
