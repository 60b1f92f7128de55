"""Presets and overrides that nobody would write: a preset or a sentence comes out, never a defect, soon and small."""

import random
import resource
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import tomli
import tomli_w

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.errors import BiasloopError

TRIES = 2000
SOON = 10  # seconds of computing for one try
ODD: list[Any] = [
    [], {}, "", 0, -1, True, 3.5, 10**18, 2**63 - 1, "x" * 10_000, ["a"], [[]], [{}], {"a": {}}, {"": 1},
    {"a.b": [1, 2]}, "\n", "é", "all", "released", "../..", "/dev/zero", [1] * 2_000, list(range(300)), 1e308,
    "accumulate", "generations", "command", "language", "images", "generators", {"class": "x", "factor": 1},
]  # fmt: skip
LINES = [
    "extends = 3", 'extends = "quickstart-mini"', 'extends = "\\u0000"', 'extends = "/dev/zero"', "unset = 3",
    'unset = ["loop.start", ""]', 'unset = [""]', 'unset = ["..."]', "mini = 3", "[mini.mini.mini]", "[grid]\na = []",
    '[grid]\n"" = [1]', '[grid]\n"loop.." = [1]', '[grid]\n"grid" = [1]', '[grid]\n"loop.rule" = [[], {}, 3]',
    "[grid]\n" + "\n".join(f'"loop.k{n}" = [1, 2, 3]' for n in range(30)), "a = " + "[" * 5_000, "a = " + "9" * 5_000,
    "a = 1e999999", "a = nan", ".".join("abc" * 2_000) + " = 1", "a = 1979-05-27T07:32:00Z", "\x00", "\ufeff", "'''",
    "[[loop]]", "[[domain]]", "loop.rule = []", "domain.name = []", "seeds = '0-99999999999'", "seeds = ''", '"" = 1',
    "\n".join(f"k{n} = {n}" for n in range(2_000)),
]  # fmt: skip


def places(table: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[dict[str, Any], str]]:
    """Every table with every key of it."""
    for name, value in table.items():
        yield table, name
        if isinstance(value, dict):
            yield from places(value, (*above, name))


def retyped(text: str, chance: random.Random) -> str:
    """A preset with some values of another kind, keys moved, taken off, or new."""
    table = tomli.loads(text)
    for _ in range(chance.randint(1, 4)):
        known = list(places(table))
        if not known:
            break
        owner, name = chance.choice(known)
        act = chance.random()
        if act < 0.6:
            owner[name] = deepcopy(chance.choice(ODD))
        elif act < 0.75:
            del owner[name]
        elif act < 0.9:
            owner[chance.choice(["", "a.b", "näme", "rule", "name", name + "x", "grid"])] = deepcopy(chance.choice(ODD))
        else:
            other, key = chance.choice(known)
            value = other.get(key)
            owner[name] = deepcopy(value) if isinstance(value, dict) else deepcopy(chance.choice(ODD))
    return tomli_w.dumps(table)


def mutated(text: str, chance: random.Random) -> bytes:
    """A preset with some bytes changed, doubled or taken out, or with an odd line somewhere."""
    data = bytearray(text.encode())
    for _ in range(chance.randint(0, 5)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice([1, 1, 2, 20]))
        data[start:end] = chance.choice([
            bytes([chance.randrange(256)]), b"", bytes(data[start:end]) * chance.choice([2, 50]),
            chance.choice([b"[", b"]", b"{", b"}", b'"', b"=", b".", b"\n", b"-", b"9", b"\xff", b"'", b"#"]),
        ])  # fmt: skip
    if chance.random() < 0.5:
        lines = data.split(b"\n")
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(LINES).encode(errors="surrogatepass"))
        data = bytearray(b"\n".join(lines))
    return bytes(data)


def settles(text: str, act: Any) -> None:
    """An act ends soon, with a result or with a sentence."""
    begun = time.process_time()
    try:
        act()
    except BiasloopError as error:
        assert str(error).strip(), text
        assert len(str(error)) < 50_000, text
    assert time.process_time() - begun < SOON, text


def fuzz_presets(directory: Path, tries: int, seed: int) -> None:
    """Mutations of shipped presets through reading and validation to arms."""
    chance = random.Random(seed)
    shipped = sorted(presets.packaged().glob("*.toml"))
    for number in range(tries):
        text = chance.choice(shipped).read_text(encoding="utf-8")
        data = retyped(text, chance).encode() if number % 2 else mutated(text, chance)
        path = directory / f"{number}.toml"
        path.write_bytes(data)

        def read(path: Path = path) -> None:
            arms_of(presets.read(str(path)))

        settles(data.decode(errors="replace"), read)
        settles(data.decode(errors="replace"), lambda path=path: arms_of(presets.read(f"{path}-mini")))
        path.unlink()


PIECES = [
    "loop.human", "loop", "domain.name", "domain", "grid", "mini", "", ".", "=", ",", "[", "]", "{", "}", '"', "'",
    "1", "-1", "nan", "1e999", "9" * 5_000, "[" * 3_000, "{a=" * 200, "true", "\n", "\x00", "\x1b", "\udcff", "é", " ",
    "a." * 3_000, "x" * 3_000, "0-9", "0-99999999999", "1979-05-27", "#", "command", '"accumulate"', "[1,2],[3]",
]  # fmt: skip


def fuzz_overrides(tries: int, seed: int) -> None:
    """Strings of `--set`, `--grid` and `--seeds`, applied to a shipped preset."""
    chance = random.Random(seed)
    base = presets.read("quickstart")
    for _ in range(tries):
        pieces = [chance.choice(PIECES) for _ in range(chance.randint(1, 6))]
        text = "".join(pieces)
        text = text if chance.random() < 0.4 else f"{chance.choice(['loop.human', 'loop', 'domain.name', 'a'])}={text}"

        def set_it(text: str = text) -> None:
            arms_of(base.override(presets.parse_sets([text]), "--set"))

        def vary(text: str = text) -> None:
            arms_of(base.vary(presets.parse_grids([text]), "--grid"))

        settles(text, set_it)
        settles(text, vary)
        settles(text, lambda text=text: presets.parse_seeds(text))


@pytest.fixture
def small_memory() -> Iterator[None]:
    """What follows takes less than 1 GB more than there was."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # KiB


def test_a_few_mutated_presets_are_read_or_refused(tmp_path, monkeypatch, small_memory):
    monkeypatch.chdir(tmp_path)
    fuzz_presets(tmp_path, 50, seed=1)


def test_a_few_odd_overrides_are_taken_or_refused(tmp_path, monkeypatch, small_memory):
    monkeypatch.chdir(tmp_path)
    fuzz_overrides(60, seed=2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_mutated_presets_are_read_or_refused(tmp_path, monkeypatch, small_memory):
    monkeypatch.chdir(tmp_path)
    fuzz_presets(tmp_path, TRIES, seed=3)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_odd_overrides_are_taken_or_refused(tmp_path, monkeypatch, small_memory):
    monkeypatch.chdir(tmp_path)
    fuzz_overrides(TRIES, seed=4)
