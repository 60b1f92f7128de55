"""STAR: many batches of generated images filled by quota over strata at once, on the device.

The sequence of samples drawn for a batch is cut into strata; of each the first are kept, in the order drawn, up to
its quota (Wyllie et al. 2024, Fairness Feedback Loops, doi 10.1145/3630106.3659029; as in their code). What fills
the places that quotas leave is `Star.refill`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from biasloop.contract.batching import Star
from biasloop.errors import InvalidInput

Labeller = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Generated:
    """Where generated images come from, and what says which stratum one is of. Networks are in evaluation mode.

    Attributes:
        sample: latents `(n, latent)` float32 to images `(n, C, H, W)`.
        latent: numbers of a latent, standard normal.
        label: images to labels `(n,)` int64; None where nothing asks for labels.
        groups: images to groups, `(n,)` or `(n, groups)` int64; None for strata of the label alone.
        sizes: number of classes of the label, then of each group; () where nothing asks for strata.
    """

    sample: Callable[[Tensor], Tensor]
    latent: int
    label: Labeller | None = None
    groups: Labeller | None = None
    sizes: tuple[int, ...] = ()

    def draw(self, count: int, noise: torch.Generator) -> Tensor:
        """`(count, C, H, W)` new images from new noise."""
        return self.sample(torch.randn(count, self.latent, generator=noise, device=noise.device))

    def labels(self, images: Tensor) -> Tensor:
        """`(n,)` int64 labels."""
        assert self.label is not None
        return self.label(images)

    def strata(self, images: Tensor, labels: Tensor) -> Tensor:
        """`(n,)` int64 numbers of strata, in the order of `batches.strata`: the label varies slowest."""
        numbers = labels
        if self.groups is not None:
            columns = self.groups(images).view(len(labels), -1).unbind(1)
            for size, column in zip(self.sizes[1:], columns, strict=True):
                numbers = numbers * size + column
        return numbers


def interleaved(parts: Sequence[Generated]) -> Generated:
    """One source of images: of samples drawn together, number i is of part `i % len(parts)`.

    Labels are of images as drawn, all of a draw in their order, since who labels one depends on its place. Groups and
    strata are those of the first part. The host waits for nothing.

    Args:
        parts: generators with latents of one size; all with labels, or none.

    Raises:
        InvalidInput: if there is no part, or their latents differ in size.
    """
    if len({part.latent for part in parts}) != 1:
        raise InvalidInput(f"generators that are sampled together need latents of one size, not {_latents(parts)}")
    if len(parts) == 1:
        return parts[0]
    label = None
    if all(part.label is not None for part in parts):
        label = _in_turns([part.labels for part in parts])
    return replace(parts[0], sample=_in_turns([part.sample for part in parts]), label=label)


def _latents(parts: Sequence[Generated]) -> str:
    return " and ".join(str(part.latent) for part in parts) or "none"


def _in_turns(functions: Sequence[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    """Row i of the result is of the function `i % len(functions)`."""

    def together(rows: Tensor) -> Tensor:
        used = [function(rows[at :: len(functions)]) for at, function in enumerate(functions) if at < len(rows)]
        result = used[0].new_empty((len(rows), *used[0].shape[1:]))
        for at, part in enumerate(used):
            result[at :: len(functions)] = part
        return result

    return together


@dataclass(frozen=True)
class Selection:
    """What quotas keep of the samples drawn for each batch.

    Attributes:
        within: `(batches, drawn)` bool, whether a sample is among the first of its stratum that the quota has room for.
        drawn: `(batches, strata)` int64, samples of each stratum before any selection.
        deficits: `(batches, strata)` int64, by how many each quota is missed.
    """

    within: Tensor
    drawn: Tensor
    deficits: Tensor

    def shortfall(self, size: int) -> Tensor:
        """`(batches,)` int64, places of a batch of that size which quotas leave open."""
        return size - self.within.sum(1)

    def order(self) -> Tensor:
        """`(batches, drawn)` int64, positions: what quotas keep first, then the surplus, each in the order drawn."""
        # Without bool: CUDA sorts bytes.
        return (~self.within).to(torch.uint8).argsort(dim=1, stable=True)


def select(strata: Tensor, quotas: Tensor) -> Selection:
    """The first samples of each stratum, up to its quota, for all batches at once; the host waits for nothing.

    Args:
        strata: `(batches, drawn)` int64, stratum of each sample in the order drawn.
        quotas: `(strata,)` int64, or `(batches, strata)` where they differ.
    """
    each = quotas.expand(len(strata), -1)  # (batches, strata)
    upto = _members(strata, each.shape[1]).cumsum(2, dtype=torch.int32)  # (batches, strata, drawn)
    drawn = upto[:, :, -1].long()  # (batches, strata)
    turn = upto.gather(1, strata[:, None]).squeeze(1)  # (batches, drawn): 1 for the first of its stratum
    return Selection(turn <= each.gather(1, strata), drawn, (each - drawn).clamp(min=0))


def tally(strata: Tensor, count: int) -> Tensor:
    """`(batches, count)` int64 samples of each of `count` strata; a stratum of -1 is none of them."""
    return _members(strata, count).sum(2)


def _members(strata: Tensor, count: int) -> Tensor:
    """`(batches, count, drawn)` bool, whether a sample is of a stratum."""
    return strata[:, None, :] == torch.arange(count, device=strata.device)[:, None]


@dataclass(frozen=True)
class Filled:
    """Batches one after the other, and what is counted of each.

    Attributes:
        images: `(batches * size, C, H, W)`.
        labels: `(batches * size,)` int64, or None if nobody wants them.
        counts: `(batches, 1 + 2 * strata)` int64: shortfall, samples drawn of each stratum, samples placed of each;
            None without strata.
    """

    images: Tensor
    labels: Tensor | None
    counts: Tensor | None


@dataclass
class Filling:
    """Fills batches of one size by STAR.

    Attributes:
        star: how.
        generated: what with.
        size: images of a batch.
        device: of the images.
        labelled: whether labels are wanted of what is not stratified, too.
    """

    star: Star
    generated: Generated
    size: int
    device: torch.device
    labelled: bool

    def __post_init__(self) -> None:
        sizes, groups = self.generated.sizes, self.generated.groups
        if self.generated.label is None or not sizes or (groups is None) != (len(sizes) == 1):
            raise InvalidInput(
                f"STAR has no strata: classes {sizes}, label {'missing' if self.generated.label is None else 'given'}, "
                f"groups {'missing' if groups is None else 'given'}; give classes of the label and of each group, "
                "and a classifier for both"
            )
        self.count = prod(sizes)
        self.quotas = torch.tensor(self.star.quotas(self.size, self.count), device=self.device)

    @property
    def first(self) -> int:
        """Samples drawn of a batch before it is filled."""
        return self.size + self.star.budget

    def __call__(self, batches: int, noise: torch.Generator) -> Filled:
        """Full batches, each in random order.

        The host waits for the device once at most, with "until-met" once more for every time that is drawn again.

        Args:
            batches: how many.
            noise: of everything that is drawn.
        """
        size, generated = self.size, self.generated
        images = generated.draw(batches * self.first, noise)  # (batches * first, C, H, W)
        labels = generated.labels(images)  # (batches * first,)
        strata = generated.strata(images, labels)  # (batches * first,)
        selection = select(strata.view(batches, self.first), self.quotas)
        # Place p of a batch holds its sample number rank[p]: those within quotas first, then surplus, of which there
        # is enough.
        draws = torch.rand(batches, size, generator=noise, device=self.device)
        rank = draws.argsort(dim=1, stable=True)  # (batches, size)
        starts = torch.arange(batches, device=self.device)[:, None] * self.first  # (batches, 1)
        rows = (selection.order().gather(1, rank) + starts).flatten()  # (batches * size,)
        samples = _Samples.of(images, labels, strata, rows)
        del images, labels, strata  # else a chunk is in memory twice while more is drawn
        drawn = selection.drawn  # (batches, strata)
        if self.star.refill == "single":
            lacking = rank >= selection.within.sum(1, keepdim=True)  # (batches, size)
            self._fill(samples, lacking.flatten(), noise)
        elif self.star.refill == "until-met":
            drawn = self._redraw(samples, selection, rank, noise)
        placed = tally(samples.strata[:-1].view(batches, size), self.count)  # (batches, strata)
        counts = torch.cat([selection.shortfall(size)[:, None], drawn, placed], 1)
        return Filled(samples.images[:-1], samples.labels[:-1] if self.labelled else None, counts)

    def _fill(self, samples: "_Samples", lacking: Tensor, noise: torch.Generator) -> None:
        """New samples, as they come, into the places that lack one: `(batches * size,)` bool."""
        places = lacking.nonzero().squeeze(1)  # (lacking,); the host waits here
        if len(places):
            images = self.generated.draw(len(places), noise)
            unknown = torch.full_like(places, -1)
            samples.put(places, images, self.generated.labels(images) if self.labelled else unknown, unknown)

    def _redraw(self, samples: "_Samples", selection: Selection, rank: Tensor, noise: torch.Generator) -> Tensor:
        """Draws for batches that miss a quota until none does or the cap is reached.

        What is kept of a batch depends on the sequence of its samples alone, not on how many are drawn at a time.

        Args:
            samples: what the places of all batches hold; those of the last surplus are replaced.
            selection: of the samples drawn before.
            rank: `(batches, size)` int64, the number of the sample that a place of a batch holds.
            noise: of what is drawn.

        Returns:
            `(batches, strata)` int64, samples drawn in all.
        """
        size, spent = self.size, self.first
        most = max(spent, int(self.star.draws * size))
        slots = rank.argsort(dim=1)  # (batches, size): the place that holds the sample of a number
        deficits, drawn = selection.deficits, selection.drawn.clone()  # (batches, strata)
        added = torch.zeros_like(drawn[:, 0])  # (batches,) samples that were put in place of surplus
        while spent < most:
            unmet = deficits.sum(1).nonzero().squeeze(1)  # (unmet,) batches; the host waits here
            if not len(unmet):
                break
            # A quarter more each time: few waits where a stratum is rare, little to spare where it is not.
            more = min(max(self.star.budget, spent // 4), self.first, most - spent)
            images = self.generated.draw(len(unmet) * more, noise)  # (unmet * more, C, H, W)
            labels = self.generated.labels(images)  # (unmet * more,)
            strata = self.generated.strata(images, labels)  # (unmet * more,)
            again = select(strata.view(-1, more), deficits[unmet])
            # The last surplus gives way first, so that the first surplus drawn is what stays.
            numbers = size - added[unmet, None] - again.within.cumsum(1)  # (unmet, more)
            places = slots[unmet].gather(1, numbers.clamp(0, size - 1)) + unmet[:, None] * size  # (unmet, more)
            samples.put(torch.where(again.within, places, samples.spare).flatten(), images, labels, strata)
            deficits = deficits.index_copy(0, unmet, again.deficits)
            added.index_copy_(0, unmet, added[unmet] + again.within.sum(1))
            drawn.index_copy_(0, unmet, drawn[unmet] + again.drawn)
            spent += more
        return drawn


@dataclass(frozen=True)
class _Samples:
    """What the places of all batches hold, then a spare row for what none keeps: leaving it out would be a wait."""

    images: Tensor  # (batches * size + 1, C, H, W)
    labels: Tensor  # (batches * size + 1,)
    strata: Tensor  # (batches * size + 1,)

    @classmethod
    def of(cls, images: Tensor, labels: Tensor, strata: Tensor, rows: Tensor) -> "_Samples":
        """The samples of the given rows, `(batches * size,)`."""
        rows = torch.cat([rows, rows[:1]])  # (batches * size + 1,)
        return cls(images.index_select(0, rows), labels[rows], strata[rows])

    @property
    def spare(self) -> int:
        """The row that nobody reads."""
        return len(self.labels) - 1

    def put(self, places: Tensor, images: Tensor, labels: Tensor, strata: Tensor) -> None:
        """`(n, ...)` samples into `(n,)` places."""
        self.images.index_copy_(0, places, images)
        self.labels.index_copy_(0, places, labels)
        self.strata.index_copy_(0, places, strata)
