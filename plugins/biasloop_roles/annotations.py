"""Annotations in imSitu's JSON format: of each image a verb and some frames, which give the noun of each of its roles.

`{"cooking_7.jpg": {"verb": "cooking", "frames": [{"agent": "n10787470", "food": ""}, ...]}, ...}`; what else there is
of an image (SWiG's boxes and sizes) is ignored. The verb is the one that an entry states. The published code goes by
the beginning of the name when it draws the test set, which of imSitu's images is the same.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.system.regular import require_regular
from biasloop_roles.situations import MOST_ROLES, PADDING, Vocabulary

if TYPE_CHECKING:
    from biasloop.contract.data import Bools, Ints

FRAMES = 3
"""Frames of an image, as imSitu has them."""

_FIRST = ("train", "dev", "val", "test")  # the order of files with these names, before all others
_DICTIONARY = "imsitu_space.json"  # lies beside annotations, and says what verbs and nouns mean

Frame = Mapping[str, str]
Shape = tuple[str, ...]
"""The roles of a verb, in the order of its pairs."""


@dataclass(frozen=True)
class Annotations:
    """Annotated images, in the order of their files; the position of one is its id.

    Attributes:
        names: `(N,)` of images, each once.
        verb: `(N,)` verb ids.
        frames: `(N, frames, MOST_ROLES)` noun ids in the order of the verb's pairs, then `PADDING`.
        vocabulary: what occurs in all of them.
    """

    names: tuple[str, ...]
    verb: Ints
    frames: Ints
    vocabulary: Vocabulary

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def digest(self) -> str:
        """Another one for other images, verbs, roles or nouns."""
        digest = hashlib.blake2b(digest_size=16)
        known = self.vocabulary
        digest.update(json.dumps([self.names, known.verbs, known.roles, known.nouns]).encode())
        for array in (self.verb, self.frames, known.pair_verb, known.pair_role, known.slot_pair, known.slot_noun):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array, "<i8").data)
        return digest.hexdigest()


@dataclass(frozen=True)
class _Records:
    """What files have of each image, in their order."""

    names: list[str]
    verbs: list[str]
    frames: list[list[Frame]]
    files: list[Path]

    def at(self, row: int) -> str:
        """File and key of an image, for messages."""
        return _at(self.files[row], self.names[row])


def _at(file: Path, name: str) -> str:
    return f"{file}, {name!r}"


@dataclass(frozen=True)
class _Values:
    """The nouns of all frames, one after the other.

    Attributes:
        nouns: `(values,)` as they are written.
        frame: `(values,)` number of the frame, counted over all images.
        column: `(values,)` which of the verb's pairs it is of.
    """

    nouns: list[str]
    frame: Ints
    column: Ints


def files_in(folder: Path) -> list[Path]:
    """The files with annotations in a folder: train, dev, val and test first, then others by name.

    Raises:
        InvalidInput: there is no such folder, or it has none.
    """
    if not folder.is_dir():
        raise InvalidInput(f"there is no folder {folder}; name one with annotations (*.json) and images")
    files = [file for file in folder.glob("*.json") if file.name != _DICTIONARY and not file.name.startswith(".")]
    if not files:
        raise InvalidInput(f"{folder} has no annotations; put files in imSitu's format (*.json) there")
    return sorted(files, key=lambda file: (_FIRST.index(file.stem) if file.stem in _FIRST else len(_FIRST), file.name))


def read(files: Sequence[Path], *, frames: int = FRAMES, vocabulary: Vocabulary | None = None) -> Annotations:
    """All images of some files, merged in their order.

    Args:
        files: JSON, each as the module says.
        frames: how many frames every image has.
        vocabulary: what verbs, roles and nouns are known; None for all that occur, by first appearance.

    Raises:
        InvalidInput: naming file and image: not JSON of that form, an image that comes twice, a verb without roles, a
            frame with other roles than its verb's, another number of frames, a noun that is no text, or what a given
            vocabulary does not know.
    """
    with _no_cycles():
        records = _records(files, frames)
        if not records.names:
            raise InvalidInput(f"{', '.join(map(str, files))} has no image; every image needs an entry")
        shapes = _shapes(records) if vocabulary is None else _known_shapes(vocabulary)
        verbs = {name: number for number, name in enumerate(shapes)}
        _check_verbs(records, verbs)
        verb = np.fromiter(map(verbs.__getitem__, records.verbs), np.int64, len(records.names))
        values = _values(records, verb, shapes, frames)
        names = tuple(dict.fromkeys(values.nouns)) if vocabulary is None else vocabulary.nouns
        noun = _numbered(values.nouns, names)
        known = vocabulary or _vocabulary(values, verb, noun, shapes, names, frames)
        nouns = np.full((len(verb), frames, MOST_ROLES), PADDING, np.int64)
        nouns.reshape(-1, MOST_ROLES)[values.frame, values.column] = noun
        if vocabulary is not None:
            _check_nouns(records, verb, nouns, known)
        return Annotations(tuple(records.names), verb, nouns, known)


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Inside, nobody looks for cycles among a million objects of JSON, which have none: that takes most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _records(files: Sequence[Path], frames: int) -> _Records:
    """All of them, checked one by one, but for their roles."""
    records, where = _Records([], [], [], []), dict[str, Path]()
    for file in files:
        for name, record in _loaded(file).items():
            if name in where:
                raise InvalidInput(f"{_at(file, name)}, is in {where[name]} too; an image is annotated once")
            where[name] = file
            verb, given = _checked(record, file, name, frames)
            records.names.append(name)
            records.verbs.append(verb)
            records.frames.append(given)
            records.files.append(file)
    return records


def _checked(record: object, file: Path, name: str, frames: int) -> tuple[str, list[Frame]]:
    """The verb and the frames of an entry."""
    if not isinstance(record, dict) or type(verb := record.get("verb")) is not str or not verb:
        raise InvalidInput(f"{_at(file, name)}, has no verb; expected an object with a text 'verb' and a list 'frames'")
    given = record.get("frames")
    if type(given) is not list or not given:
        raise InvalidInput(f"{_at(file, name)}, has no frames; expected {frames}, each with a noun for every role")
    if len(given) != frames:
        raise InvalidInput(
            f"{_at(file, name)}, has {len(given)} frames, expected {frames}, which is domain.frames; set it to "
            "what every image has"
        )
    for frame in given:
        if type(frame) is not dict:
            raise InvalidInput(f"{_at(file, name)}, has a frame that is no object of roles and nouns")
        for role, noun in frame.items():
            if type(noun) is not str:
                shown = json.dumps(noun)[:60]
                raise InvalidInput(f'{_at(file, name)}, has {shown} as {role}, expected a noun as text ("" for none)')
    return verb, given


class _Twice(Exception):
    """A key that an object has twice, of which JSON readers would take the last."""


def _loaded(file: Path) -> dict[str, object]:
    require_regular(file)
    try:
        records = json.loads(file.read_bytes(), object_pairs_hook=_once)
    except _Twice as twice:
        raise InvalidInput(f"{file} has the key {str(twice)!r} twice in one object; remove one") from twice
    except OSError as error:
        raise InvalidInput(f"{file} does not read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is no JSON ({error}); expected annotations in imSitu's format") from error
    if not isinstance(records, dict):
        raise InvalidInput(f"{file} is no JSON object; expected one with an entry for each image")
    return records


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        raise _Twice(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return fields


def _shapes(records: _Records) -> dict[str, Shape]:
    """The roles of each verb, in the order of its first frame."""
    shapes: dict[str, Shape] = {}
    for row, verb in enumerate(records.verbs):
        if verb not in shapes:
            shapes[verb] = roles = tuple(records.frames[row][0])
            if not 1 <= len(roles) <= MOST_ROLES:
                raise InvalidInput(
                    f"{records.at(row)}: the verb {verb!r} has {len(roles) or 'no'} roles; expected 1 to {MOST_ROLES} "
                    "in every frame"
                )
    return shapes


def _known_shapes(vocabulary: Vocabulary) -> dict[str, Shape]:
    pairs = vocabulary.verb_pairs
    return {
        verb: tuple(vocabulary.roles[vocabulary.pair_role[pair]] for pair in pairs[number] if pair >= 0)
        for number, verb in enumerate(vocabulary.verbs)
    }


def _check_verbs(records: _Records, numbers: Mapping[str, int]) -> None:
    unknown = set(records.verbs) - numbers.keys()
    if unknown:
        row = next(row for row, verb in enumerate(records.verbs) if verb in unknown)
        raise InvalidInput(
            f"{records.at(row)}: the verb {records.verbs[row]!r} is none of the {len(numbers)} known ones"
        )


def _values(records: _Records, verb: Ints, shapes: Mapping[str, Shape], frames: int) -> _Values:
    """All nouns; refuses a frame with other roles than its verb's."""
    nouns: list[str] = []
    turned: list[tuple[int, list[int]]] = []  # frames whose roles come in another order, and their columns
    for row, name in enumerate(records.verbs):
        roles = shapes[name]
        for number, frame in enumerate(records.frames[row]):
            if tuple(frame) != roles:
                _check_roles(records, row, frame, roles)
                turned.append((row * frames + number, [roles.index(role) for role in frame]))
            nouns += frame.values()
    counts = np.array([len(roles) for roles in shapes.values()], np.int64)[verb].repeat(frames)  # (N * frames,)
    first = counts.cumsum() - counts
    frame_of = np.repeat(np.arange(len(counts)), counts)
    column = np.arange(len(nouns)) - first[frame_of]
    for number, columns in turned:
        column[first[number] : first[number] + len(columns)] = columns
    return _Values(nouns, frame_of, column)


def _check_roles(records: _Records, row: int, frame: Frame, roles: Shape) -> None:
    if frame.keys() != set(roles):
        raise InvalidInput(
            f"{records.at(row)} has a frame with the roles {', '.join(sorted(frame)) or 'none'}, and those of "
            f"{records.verbs[row]!r} are {', '.join(sorted(roles))}; all frames of a verb need the same"
        )


def _numbered(nouns: Sequence[str], names: Sequence[str]) -> Ints:
    """`(values,)` positions of nouns among names; `_UNKNOWN` of one that is none."""
    numbers = {name: number for number, name in enumerate(names)}
    numbers |= dict.fromkeys(set(nouns) - numbers.keys(), _UNKNOWN)
    return np.fromiter(map(numbers.__getitem__, nouns), np.int64, len(nouns))


def _vocabulary(
    values: _Values, verb: Ints, noun: Ints, shapes: Mapping[str, Shape], nouns: tuple[str, ...], frames: int
) -> Vocabulary:
    """That of `Vocabulary.of`, without a loop over nouns."""
    roles = {role: number for number, role in enumerate(dict.fromkeys(chain.from_iterable(shapes.values())))}
    counts = np.array([len(its_roles) for its_roles in shapes.values()], np.int64)
    pair = (counts.cumsum() - counts)[verb[values.frame // frames]] + values.column  # (values,)
    keys, first = np.unique(pair * len(nouns) + noun, return_index=True)  # (slots,)
    order = np.lexsort((first, keys // len(nouns)))  # pair after pair, nouns of each by first appearance
    return Vocabulary(
        tuple(shapes), tuple(roles), nouns,
        np.repeat(np.arange(len(counts)), counts),
        np.array([roles[role] for its_roles in shapes.values() for role in its_roles], np.int64),
        keys[order] // len(nouns),
        keys[order] % len(nouns),
    )  # fmt: skip


_UNKNOWN = -2  # a noun that a given vocabulary does not have


def _check_nouns(records: _Records, verb: Ints, nouns: Ints, vocabulary: Vocabulary) -> None:
    """Refuse nouns that a role of a verb does not know."""
    pairs = vocabulary.verb_pairs[verb][:, None]  # (N, 1, roles)
    known = vocabulary.slot_pair * len(vocabulary.nouns) + vocabulary.slot_noun
    wrong: Bools = (pairs >= 0) & ((nouns < 0) | ~np.isin(pairs * len(vocabulary.nouns) + nouns, known))
    if wrong.any():
        row, frame, column = np.argwhere(wrong)[0].tolist()
        role = vocabulary.roles[vocabulary.pair_role[pairs[row, 0, column]]]
        raise InvalidInput(
            f"{records.at(row)}, has {records.frames[row][frame][role]!r} as {role}, which is outside the vocabulary: "
            f"no {role} of {records.verbs[row]!r} is called so"
        )


def blank(vocabulary: Vocabulary) -> Bools:
    """`(nouns,)` which nouns are empty or white space; the vocabulary has each as it is written."""
    return np.array([not noun.strip() for noun in vocabulary.nouns], bool)
