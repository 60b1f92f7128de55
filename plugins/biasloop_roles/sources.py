"""Where situations come from: pictures that come with biasloop, imSitu, or a folder in its format."""

from __future__ import annotations

import difflib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from biasloop.contract.data import Splits
from biasloop.datasets.imsitu import ANNOTATIONS, IMSITU
from biasloop.downloads.temporary import home_of
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_roles import emoji, splits
from biasloop_roles.annotations import FRAMES, files_in, read
from biasloop_roles.collapsing import collapsed
from biasloop_roles.config import EMOJI, FOLDER, Config
from biasloop_roles.gender import Lists, imsitu_lists
from biasloop_roles.pixels import InFolder, Pixels, check_present, digest, opened, source

if TYPE_CHECKING:
    from biasloop.contract.context import Context, Requirement
    from biasloop.contract.data import Array, Floats, Ints
    from biasloop_roles.situations import Vocabulary


DRAWN_LISTS = Lists(frozenset([emoji.MAN]), frozenset([emoji.WOMAN]))
"""Who is a man and a woman in the pictures that come with biasloop."""


@dataclass(frozen=True, eq=False)
class Situations:
    """Annotated pictures, without their pixels.

    Attributes:
        vocabulary: of all of them.
        verb: `(N,)` verb ids.
        frames: `(N, frames, MOST_ROLES)` nouns as annotated, then `PADDING`.
        human: `(N, MOST_ROLES)` one frame of each, which models learn from and are compared with.
        digest: tells them from any others.
        names: `(N,)` of image files; empty where pictures are drawn.
        picture: `(N,)` which drawing each is a variant of; None where each is a picture of its own.
    """

    vocabulary: Vocabulary
    verb: Ints
    frames: Ints
    human: Ints
    digest: str
    names: tuple[str, ...] = ()
    picture: Ints | None = None


@dataclass(frozen=True, eq=False)
class Images:
    """Pixels of pictures.

    Attributes:
        pixels: `(n, side, side, 3)` uint8, in memory or mapped into it.
        rows: `(N,)` the row of each picture; -1 of one without.
    """

    pixels: Array
    rows: Ints


class Source(Protocol):
    """Situations that are known and not yet read."""

    def requirements(self) -> list[Requirement]:
        """What has to be fetched first; reads nothing."""

    def read(self) -> Situations:
        """All of them.

        Raises:
            SomethingToFetch: they have to be fetched first.
            DownloadError: what comes with biasloop or was fetched is damaged.
            InvalidInput: a person's files are not as they have to be.
        """

    def check(self, situations: Situations) -> None:
        """Refuse images that are not there, as far as that is known without opening them.

        Raises:
            InvalidInput: naming a few.
        """

    def fingerprint(self, situations: Situations) -> str:
        """Tells situations and their pictures from any others; decodes none."""

    def splits(self, situations: Situations) -> Splits:
        """Test set and pool of a run.

        Raises:
            InvalidInput: a verb has too few images; images are missing.
        """

    def images(self, situations: Situations, used: Ints) -> Images:
        """Pixels of ascending ids, at least.

        Raises:
            InvalidInput: images are missing or do not read.
        """


def of(config: Config, context: Context) -> Source:
    """What `domain.data` and `domain.path` name; looks for none."""
    if config.data == EMOJI:
        return Drawn(config, context)
    if config.data == FOLDER:
        assert config.path is not None
        return Photographs(config, context, home_of(Path(config.path)))
    return Photographs(config, context, IMSITU.directory(context.data), published=True)


@dataclass(frozen=True)
class Drawn:
    """Variants of the pictures that come with biasloop."""

    config: Config
    context: Context

    def requirements(self) -> list[Requirement]:
        """None."""
        return []

    def read(self) -> Situations:
        """All variants of all pictures, with the shares of women that are imposed."""
        drawn = self._drawn()
        human = drawn.frames[:, 0]
        return Situations(drawn.vocabulary, drawn.verb, drawn.frames, human, drawn.digest, picture=drawn.picture)

    def check(self, situations: Situations) -> None:
        """All are there."""

    def fingerprint(self, situations: Situations) -> str:
        """Of drawings and how they vary, which pictures follow from."""
        return situations.digest

    def splits(self, situations: Situations) -> Splits:
        """Disjoint in drawings."""
        return self._drawn().splits(self.context.streams.at("data", "split"))

    def images(self, situations: Situations, used: Ints) -> Images:
        """Rendered in memory."""
        drawn = self._drawn()
        rows = np.full(len(drawn), -1, np.int64)
        rows[used] = np.arange(len(used))
        return Images(drawn.render(used), rows)

    def _drawn(self) -> emoji.EmojiSituations:
        settings = self.config.pictures
        return self.context.once("roles.drawn", repr(settings), lambda: emoji.situations(settings))


@dataclass(frozen=True)
class Photographs:
    """A folder of annotations and images."""

    config: Config
    context: Context
    folder: Path
    published: bool = False

    def requirements(self) -> list[Requirement]:
        """imSitu, where that is what it is."""
        from biasloop.datasets.catalogue import requirement

        return [requirement(IMSITU.name, self.context.data)] if self.published else []

    def read(self) -> Situations:
        """All annotations, merged."""
        if self.published:
            IMSITU.require(self.context.data)
            files, frames = [self.folder / name for name in ANNOTATIONS], FRAMES
        else:
            files, frames = files_in(self.folder), self.config.frames
        annotated = read(files, frames=frames)
        streams = self.context.streams.at("data", "collapse")
        human = collapsed(annotated.frames, annotated.vocabulary, np.arange(len(annotated)), streams)
        known = annotated.vocabulary
        return Situations(known, annotated.verb, annotated.frames, human, annotated.digest, names=annotated.names)

    def check(self, situations: Situations) -> None:
        """Looks whether files are there; an archive of photographs is read with the first run."""
        files = source(self.folder)
        if isinstance(files, InFolder):
            check_present(situations.names, files, skip_missing=self.config.skip_missing)

    def fingerprint(self, situations: Situations) -> str:
        """Of annotations, then of image files by what they contain."""
        contents = self.context.once(
            "roles.files",
            (str(self.folder), situations.digest),
            lambda: digest(situations.names, source(self.folder), self.context),
        )
        return f"{situations.digest} {contents}"

    def splits(self, situations: Situations) -> Splits:
        """As many of each verb in the test set; images that are left out are in neither."""
        used = np.flatnonzero(self._pixels(situations).usable) if self.config.skip_missing else None
        order = self.context.streams.at("data", "split")
        return splits.draw(situations.verb, situations.vocabulary.verbs, order, self.config.test_per_verb, used)

    def images(self, situations: Situations, used: Ints) -> Images:
        """Mapped into memory; decoded before, unless they were in an earlier run."""
        pixels = self._pixels(situations)
        return Images(pixels.images, pixels.rows)

    def _pixels(self, situations: Situations) -> Pixels:
        files, skip = source(self.folder), self.config.skip_missing
        return self.context.once(
            "roles.pixels",
            (str(self.folder), situations.digest, skip),
            lambda: opened(situations.names, files, self.context, skip_missing=skip),
        )


def compared(config: Config, vocabulary: Vocabulary) -> tuple[Lists, Floats | None]:
    """Which nouns are men and women, and the shares of women that are imposed on verbs `(verbs,)`, if any."""
    if config.genders is not None:
        lists = config.genders.lists()
    else:
        lists = DRAWN_LISTS if config.data == EMOJI else imsitu_lists()
    share = np.resize(np.array(config.pictures.shares), len(vocabulary.verbs)) if config.data == EMOJI else None
    return lists, share


def ordered(images: Images, ids: Ints) -> Array:
    """`(n, side, side, 3)` uint8 pictures of ids, in their order."""
    return np.stack([images.pixels[row] for row in images.rows[ids]])


def check_genders(config: Config, vocabulary: Vocabulary, context: Context) -> None:
    """Refuse lists of a person's own that name what the data do not have; tell that nobody is on the published ones.

    Raises:
        InvalidInput: naming what is not there.
    """
    if config.genders is not None:
        mine = config.genders
        named = {"nouns": [*mine.male, *mine.female], "verbs": [*itertools.chain(*mine.intervals), *mine.followed]}
        for kind, known in (("nouns", vocabulary.nouns), ("verbs", vocabulary.verbs)):
            unknown = [name for name in named[kind] if name not in known]
            if unknown:
                near = difflib.get_close_matches(unknown[0], known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise InvalidInput(
                    f"domain.genders names {unknown[0]!r}, which is none of the {kind} of the data{hint}"
                )
        return
    published, _ = compared(config, vocabulary)
    if not (published.male | published.female) & {*vocabulary.nouns}:
        context.on_note(
            "no noun of these data is on the published lists of men and women, so that shares of women stay empty; "
            'name yours, as with --set \'domain.genders={male=["man"], female=["woman"]}\''
        )
