"""What each preset runs, needs and costs, from presets, plugins and the runs that are there; no data are read."""

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from biasloop import discovery
from biasloop.config import presets
from biasloop.config.arms import ARMS
from biasloop.config.presets import Listed
from biasloop.contract.context import Context, Requirement
from biasloop.contract.domains import Domain
from biasloop.contract.randomness import Streams
from biasloop.errors import BiasloopError

_CITED = re.compile(r"[A-Z]\w+(?: & [A-Z]\w+| et al\.) \d{4}")
_MOST = 0.8  # of a group's presets cite one study: it is that study's
_VALUES = 20  # of a key of a grid that are looked at


@dataclass(frozen=True)
class Entry:
    """A preset in the list.

    Attributes:
        listed: its name, domain and words.
        group: what the presets beside it have in common: how their names begin.
        runs: how many the publication made, or the preset asks for: seeds times combinations times arms.
        rounds: of a run; None where the rule says when there are no more.
        samples: in the last training set; None where that does not follow from the settings.
        seconds: a run took that lies in `runs` and is finished; None where there is none.
        needs: data sets and weights; None where its plugin cannot tell.
        mini_needs: likewise of its mini; None where there is none.
        own: where it looks for files that nobody hands out for everybody, and none are; empty where it needs none.
    """

    listed: Listed
    group: str
    runs: int
    rounds: int | None
    samples: int | None
    seconds: float | None
    needs: tuple[Requirement, ...] | None
    mini_needs: tuple[Requirement, ...] | None
    own: str = ""

    @property
    def offline(self) -> bool:
        """Whether it runs without a download."""
        return self.needs is not None and not self.own and all(need.present for need in self.needs)

    @property
    def mini_offline(self) -> bool:
        """Whether its mini does."""
        return self.mini_needs is not None and all(need.present for need in self.mini_needs)

    def matches(self, words: Sequence[str]) -> bool:
        """Whether name, domain, summary, source or other names contain all words, whatever their case."""
        listed = self.listed
        text = " ".join([listed.name, listed.domain, listed.summary, listed.source, *listed.also]).lower()
        return all(word.lower() in text for word in words)


def missing(needs: Sequence[Requirement]) -> int:
    """Bytes to fetch; what is handed out on request counts as nothing."""
    return sum(need.bytes for need in needs if not need.present)


def catalogue(listing: Sequence[Listed], data: Path, runs: Path) -> list[Entry]:
    """Presets that can be read, those groups first that run without a download.

    Args:
        listing: as `presets.listing` gives them.
        data: the directory of data sets.
        runs: where runs lie that tell what a preset costs.
    """
    seconds = _seconds(runs)
    entries = [_entry(listed, data, seconds.get(listed.name)) for listed in listing if not listed.problem]
    of_group: dict[str, list[Entry]] = {}
    for entry in entries:
        of_group.setdefault(entry.group, []).append(entry)
    ordered = sorted(of_group.values(), key=lambda group: (not all(each.offline for each in group), group[0].group))
    return [entry for group in ordered for entry in sorted(group, key=lambda each: _by_number(each.listed.name))]


def title(entries: Sequence[Entry]) -> str:
    """What stands above the presets of a group: how their names begin, and the study that most of them cite."""
    cited = Counter(match[0] for entry in entries if (match := _CITED.search(entry.listed.source)))
    study, count = cited.most_common(1)[0] if cited else ("", 0)
    name = entries[0].group + ("" if len(entries) == 1 else " ...")
    return f"{name} ({study})" if count >= _MOST * len(entries) and len(entries) > 1 else name


def _by_number(name: str) -> list[int | str]:
    """fig4 before fig10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _entry(listed: Listed, data: Path, seconds: float | None) -> Entry:
    values = listed.values
    group = re.match(r"[^-\d]*", listed.name)
    return Entry(
        listed,
        (group[0] if group else "") or listed.name,
        _runs(values),
        *_size(values),
        seconds,
        _needs(values, data),
        _needs(_mini(listed), data) if listed.mini else None,
        _own(values),
    )


def _own(values: Mapping[str, Any]) -> str:
    """The folder or file that `domain.path` names and that is not there."""
    path = values.get("domain", {}).get("path")
    return path if isinstance(path, str) and not Path(path).exists() else ""


def _mini(listed: Listed) -> Mapping[str, Any]:
    try:
        return presets.mini_of(listed)
    except BiasloopError:
        return {}


def _runs(values: Mapping[str, Any]) -> int:
    try:
        seeds = len(presets.parse_seeds(str(values.get("seeds", "0"))))
    except BiasloopError:
        seeds = 1
    grid = values.get("grid", {})
    combinations = math.prod(len(each) for each in grid.values() if isinstance(each, list))
    return seeds * combinations * max(1, len(values.get(ARMS) or ()))


def _size(values: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Rounds, and samples of the last training set, as far as the settings say."""
    section = values.get("loop", {})
    rounds = section.get("rounds")
    return rounds if isinstance(rounds, int) else None, _samples(section)


def _samples(section: Mapping[str, Any]) -> int | None:
    counts = [section.get("start"), section.get("human", 0), section.get("model", 0), section.get("rounds")]
    if section.get("rule", "accumulate") != "accumulate" or not all(isinstance(count, int) for count in counts):
        return None
    start, human, model, rounds = counts
    return int(start + (rounds - 1) * (human + model)) if section.get("keep", "all") == "all" else int(start)


def _needs(values: Mapping[str, Any], data: Path) -> tuple[Requirement, ...] | None:
    """What a preset needs with any value of its grid and in any arm; None where that cannot be told."""
    needs: dict[str, Requirement] = {}
    try:
        for section in _domains(values):
            loaded = discovery.load(str(section["name"]))
            config = loaded.Config.model_validate({key: value for key, value in section.items() if key != "name"})
            domain: Domain = loaded(config, Context(data, Streams((0, "data"))))  # without a run: its engine is heavier
            needs |= {need.name: need for need in domain.requirements()}
    except Exception:  # noqa: BLE001 - whatever is wrong with a plugin or a setting, the others are listed
        return None
    return tuple(needs.values())


def _domains(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The section [domain], and what arms and single values of the grid make of it."""
    domain = dict(values.get("domain", {}))
    yield domain
    for arm in (values.get(ARMS) or {}).values():
        changed = arm.get("domain", {}) if isinstance(arm, dict) else {}
        if changed:
            yield _changed(domain, changed)
    for key, options in values.get("grid", {}).items():
        section, _, name = key.partition(".")
        if section == "domain" and "." not in name:
            for value in options[:_VALUES]:
                yield {**domain, name: value}


def _changed(domain: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(domain)
    for key, value in changes.items():
        before = merged.get(key)
        merged[key] = _changed(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _seconds(runs: Path) -> dict[str, float]:
    """Median seconds of finished runs by preset."""
    if not runs.is_dir():
        return {}
    from biasloop.store import index
    from biasloop.store.reader import Run

    spent: dict[str, list[float]] = {}
    for line in index.listed(runs, keep=False, anew=_VALUES):
        if not line.finished:
            continue
        try:
            files = Run.open(Path(line.run)).manifest.files.values()
        except BiasloopError:
            continue
        known = [entry.seconds for entry in files if entry.seconds is not None]
        if known:
            spent.setdefault(line.preset, []).append(sum(known))
    return {name: statistics.median(values) for name, values in spent.items()}


def alone(entry: Entry) -> Entry:
    """The entry of its mini, which is a preset as well."""
    values = _mini(entry.listed)
    listed = replace(entry.listed, name=entry.listed.name + presets.MINI, mini=False, values=values)
    return Entry(listed, entry.group, _runs(values), *_size(values), None, entry.mini_needs, None)
