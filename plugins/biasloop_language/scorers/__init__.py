"""Scorers of texts, by name: toxicity of two kinds, word lists, quotation marks.

Importing this package, and building a scorer, loads no torch and no weights; the first text that is scored does.
"""

import difflib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError

from biasloop.errors import InvalidInput
from biasloop_language.scorers.protocol import Scorer, Tick

__all__ = ["NAMES", "Scorer", "Tick", "build"]

_CLASSES = {
    "detoxify": "DetoxifyScorer",
    "toxicity-bilstm": "ToxicityBilstmScorer",
    "lexicon": "LexiconScorer",
    "quotes": "QuotesScorer",
}

NAMES = tuple(_CLASSES)
"""Names of all scorers."""


def build(name: str, options: Mapping[str, object], data_directory: Path, device: str = "cpu") -> Scorer:
    """The scorer of that name.

    Args:
        name: one of `NAMES`.
        options: as its module's `Options` has them.
        data_directory: where fetched weights lie.
        device: torch's name of the device, for scorers that compute with torch.

    Raises:
        InvalidInput: if there is no such scorer or an option is wrong.
        SomethingToFetch: if its weights are not in the data directory.
        DownloadError: if a file that comes with biasloop is missing.
    """
    if name not in _CLASSES:
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(f"no scorer is called {name!r} (known: {', '.join(NAMES)}){hint}")
    module = import_module(f"biasloop_language.scorers.{name.replace('-', '_')}")
    try:
        settings = module.Options.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        keys = ", ".join(module.Options.model_fields) or "none"
        raise InvalidInput(f"scorer {name!r}: option {key!r}: {first['msg']} (its options: {keys})") from error
    scorer: Scorer = getattr(module, _CLASSES[name])(settings, data_directory, device)
    return scorer
