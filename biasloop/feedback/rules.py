"""The feedback rules by name; a new one is its file and its entry here."""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from biasloop.contract.domains import Domain
from biasloop.contract.randomness import Streams
from biasloop.errors import Mismatch
from biasloop.feedback.accumulate import Accumulate
from biasloop.feedback.generations import Generations
from biasloop.feedback.mixing import Mix
from biasloop.feedback.rule import Rule, RuleSettings
from biasloop.feedback.selecting import Selecting

RULES: dict[str, type[Rule]] = {"accumulate": Accumulate, "generations": Generations, "mixing": Mix}
DEFAULT = "accumulate"
"""The rule of a section [loop] that names none."""


def meant(section: object) -> type[Rule]:
    """The rule that a section [loop] names; the default one where it names none that there is."""
    name = section.get("rule", DEFAULT) if isinstance(section, Mapping) else DEFAULT
    return RULES[name if isinstance(name, str) and name in RULES else DEFAULT]


def settings_of(section: Any) -> RuleSettings:
    """A section [loop], as typed settings of the rule that it names; settings stay what they are.

    Raises:
        ValidationError: with every mistake in the section, or that there is no such rule.
    """
    if isinstance(section, tuple(rule.Settings for rule in RULES.values())):
        return cast("RuleSettings", section)
    if isinstance(section, Mapping) and section.get("rule", DEFAULT) not in list(RULES):  # a list: it may be no string
        wrong = PydanticCustomError("value_error", f"input should be {' or '.join(map(repr, RULES))}")
        details = InitErrorDetails(type=wrong, loc=("rule",), input=section["rule"])
        raise ValidationError.from_exception_data("loop", [details])
    return cast("RuleSettings", meant(section).Settings.model_validate(section))


def build(
    settings: RuleSettings, domain: Domain, name: str, streams: Streams, selecting: Selecting | None = None
) -> Rule:
    """The rule that settings are for, over a domain.

    Raises:
        Mismatch: if the domain cannot do what the rule needs, or the rule does not select.
    """
    if selecting is None:
        return RULES[settings.rule](settings, domain, name, streams)
    require_selecting(settings)
    return Accumulate(settings, domain, name, streams, selecting)  # type: ignore[arg-type]


def require_selecting(settings: RuleSettings) -> None:
    """Refuse a rule that does not select.

    Raises:
        Mismatch: it does not.
    """
    if settings.rule == "mixing":
        raise Mismatch(
            'fits of loop.rule = "mixing" select no samples yet; take [selection] out of the preset, or use '
            'loop.rule = "accumulate"'
        )
    if settings.rule != Accumulate.Settings.model_fields["rule"].default:
        raise Mismatch(
            f"[selection] selects by the samples' ids, and loop.rule = {settings.rule!r} draws new samples for every "
            'batch; use loop.rule = "accumulate", or loop.star in place of [selection]'
        )
