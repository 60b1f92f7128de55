"""Waiting that takes no time and is written down."""

from dataclasses import dataclass, field

from biasloop.downloads import Patience


@dataclass
class Waits:
    """What a download waited, and what it said."""

    seconds: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def patience(self, **changed: object) -> Patience:
        """The usual patience, its waits written down instead of waited, without chance."""
        settings: dict[str, object] = {"timeout": 5.0, "sleep": self.seconds.append, "uniform": lambda: 1.0}
        return Patience(**{**settings, **changed})  # type: ignore[arg-type]
