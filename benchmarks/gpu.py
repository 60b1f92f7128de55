"""All that needs a card, in one script: sections by name, each under two minutes, JSON out.

    python benchmarks/gpu.py [SECTION...] [--device cuda|cpu] [--tiny] [--json FILE]

Ours and the references (published designs written well; transformers) take turns in this process, after a turn that
does not count. Of each, the median; of the ratio, ours over theirs, the median, least and most of the turns. "busy" is
the share of our time in which the card computes: time of kernels in a profiled run over the time of a run without a
profiler; null on a CPU. `--tiny` is for tests: whether everything works, not how fast.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import bench_chain
import bench_generation
import bench_images
import numpy as np
import torch
from bench_images import MEAN, STD, wait
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader
from torchvision import transforms

from biasloop.config import presets
from biasloop.contract.context import Work
from biasloop.contract.data import Column, Samples
from biasloop.contract.labels import class_labels
from biasloop.contract.randomness import Streams
from biasloop.datasets.tokens import ragged
from biasloop.training.device import computing
from biasloop_images.config import Config
from biasloop_images.learner import Learner
from biasloop_images.pictures import Pictures
from biasloop_images.recipes import recipe
from biasloop_language import finetuning
from biasloop_language.recipes import PUBLISHED
from biasloop_language.tokens import TokenRows, padded

WORKERS = min(6, os.cpu_count() or 1)
KERNELS = {"kernel"}  # categories of a trace in which the card computes


@dataclass(frozen=True)
class Setting:
    """Where and how large to measure.

    Attributes:
        device: to compute on.
        tiny: as little as shows that it works.
        folder: for what is written.
    """

    device: torch.device
    tiny: bool
    folder: Path

    def rate(self, items: float, work: Callable[[], object]) -> Callable[[], float]:
        """What does the work and gives items a second."""

        def way() -> float:
            wait(self.device)
            begun = time.perf_counter()
            work()
            wait(self.device)
            return items / (time.perf_counter() - begun)

        return way


@dataclass(frozen=True)
class Case:
    """What is compared.

    Attributes:
        name: of it, within its section.
        unit: what rates count, a second.
        sizes: of the work.
        ours: gives a rate, items a second.
        references: each gives one, likewise.
        turns: of each.
        profiled: some of our work, and how many items it has; None where the share of the card is not asked for.
        warm: whether a turn that does not count is needed; ways that leave out their first steps need none.
    """

    name: str
    unit: str
    sizes: Mapping[str, object]
    ours: Callable[[], float]
    references: Mapping[str, Callable[[], float]]
    turns: int = 3
    profiled: tuple[Callable[[], object], float] | None = None
    warm: bool = True


@dataclass(frozen=True)
class Figures:
    """What a case gave: rates are medians, ratios are ours over theirs."""

    case: str
    unit: str
    sizes: Mapping[str, object]
    turns: int
    ours: float
    busy: float | None
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def measured(case: Case, setting: Setting) -> Figures:
    """All ways in turns, every other turn in the opposite order."""
    ways = {"ours": case.ours, **case.references}
    turns = 1 if setting.tiny else case.turns
    rates: dict[str, list[float]] = {name: [] for name in ways}
    if case.warm and not setting.tiny:
        for way in ways.values():
            way()
    for turn in range(turns):
        for name in list(ways)[:: 1 if turn % 2 == 0 else -1]:
            rates[name].append(ways[name]())
    ours = statistics.median(rates["ours"])
    references = {}
    for name in case.references:
        ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates[name], strict=True)]
        median, rate = statistics.median(ratios), statistics.median(rates[name])
        references[name] = {"rate": rate, "ratio": median, "least": min(ratios), "most": max(ratios)}
    return Figures(case.name, case.unit, case.sizes, turns, ours, _busy(case, ours, setting), references)


def _busy(case: Case, rate: float, setting: Setting) -> float | None:
    if case.profiled is None or setting.device.type != "cuda":
        return None
    work, items = case.profiled
    path = setting.folder / "trace.json"
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        work()
        wait(setting.device)
    profiler.export_chrome_trace(str(path))
    return computing_seconds(json.loads(path.read_text())["traceEvents"]) / items * rate


def computing_seconds(events: list[dict[str, object]]) -> float:
    """Seconds of a trace (microseconds) in which at least one kernel runs."""
    spans = sorted((float(e["ts"]), float(e["ts"]) + float(e["dur"])) for e in events if e.get("cat") in KERNELS)
    total, until = 0.0, float("-inf")
    for begin, end in spans:
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total / 1e6


# --- training steps of image classifiers


def steps(name: str, setting: Setting) -> Iterator[Case]:
    """Whole steps of the published width against the published loop, by number format."""
    batch, width, count = (8, 2, 2) if setting.tiny else (bench_images.NETWORKS[name], 64, 100)
    images = bench_images.made(300 if setting.tiny else 60_000)
    rows = bench_images.flat(len(images), 1)
    train = bench_images.nested(bench_images.Pixels(images), 1)
    slower = 2 if setting.tiny else 40  # steps of the reference
    for numbers in ("bfloat16", "float32"):
        how = {"width": width, "device": setting.device, "numbers": numbers}
        yield Case(
            numbers, "images", {"batch": batch, "width": width, "steps": count, "workers": _workers(setting)},
            partial(bench_images.ours, name, batch, images, rows, count, **how),
            {"published loop": partial(bench_images.published, name, batch, train, slower, _workers(setting), **how)},
            5, (partial(bench_images.ours, name, batch, images, rows, 18, **how), 20 * batch), warm=False,
        )  # fmt: skip


def _workers(setting: Setting) -> int:
    return 0 if setting.tiny else WORKERS


# --- a round of figure 3


def figure(setting: Setting) -> Iterator[Case]:
    """The first round of figure 3, top left: fit, predictions of the test set, labels of 4,000 images.

    The published design would take minutes: the time of its round is computed from its rates on a part of it.
    """
    sizes = {"train": 24, "test": 30, "label": 8} if setting.tiny else {"train": 55_000, "test": 50_000, "label": 4_000}
    changes = {"width": 2, "epochs": 1, "batch_size": 8} if setting.tiny else {}
    table = presets.read("fig3-top-left").values["domain"] | changes
    config = Config.model_validate({name: value for name, value in table.items() if name not in {"name", "imbalance"}})
    images = bench_images.made(sum(sizes.values()))
    ids, first = np.arange(len(images)), sizes["train"]
    learner = Learner(
        config, Pictures(images, ids, np.array(MEAN), np.array(STD)), 10, str(setting.device), torch.get_num_threads()
    )
    how = recipe(config, first)
    labels = class_labels(np.arange(first) % 10, np.ones(first))
    samples = Samples(ids[:first], np.zeros(first, np.bool_), labels)

    def ours() -> None:
        network = learner.fit(samples, Work(Streams((0,))))
        learner.logits(network, ids[first : first + sizes["test"]])
        learner.logits(network, ids[first + sizes["test"] :])

    batch, workers = config.batch_size, _workers(setting)
    train = bench_images.nested(bench_images.Pixels(images[:first]), 1)
    network = bench_images.networks.build(config.network, 10, 3, config.width).to(setting.device)
    numbers = {"width": config.width, "device": setting.device, "numbers": "auto"}
    some = bench_images.Pixels(images[first : first + (24 if setting.tiny else 20_000)])

    def published() -> float:
        """Rounds a second."""
        count = 2 if setting.tiny else 40
        training = bench_images.published(config.network, batch, train, count, workers, **numbers)  # images/s
        predicting = setting.rate(len(some), partial(predicted, network, some, config.evaluation_batch, workers))()
        seen = how.epochs * how.steps(first) * batch
        return 1 / (seen / training + (sizes["test"] + sizes["label"]) / predicting)

    sizes |= {"epochs": how.epochs, "batch": batch, "width": config.width, "workers": workers}
    references = {"published loop, computed from a part": published}
    yield Case("round", "rounds", sizes, setting.rate(1, ours), references, 2, warm=False)


@torch.inference_mode()
def predicted(network: torch.nn.Module, dataset: bench_images.Pixels, batch: int, workers: int) -> None:
    """Predictions as the published code makes them: one PIL transform an image."""
    plain = transforms.Compose([transforms.ToPILImage(), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    dataset.transform, device = plain, next(network.parameters()).device
    network.eval()
    for inputs, _, _ in DataLoader(dataset, batch, num_workers=workers, pin_memory=device.type == "cuda"):
        network(inputs.to(device)).argmax(1).cpu()


# --- a generation of ColoredMNIST


def generation(setting: Setting) -> Iterator[Case]:
    """An epoch each of generator and classifier, samples, evaluation: a run of the engine against published parts."""
    tiny = bench_chain.Sizes(steps=2, size=8, budget=4, images=300, population=50)
    sizes = tiny if setting.tiny else bench_chain.Sizes(steps=130)  # of 256 of 35,000 images
    published = bench_chain.PublishedReal(setting.folder, 0 if setting.tiny else 4, sizes, setting.device)
    rounds = 2 if setting.tiny else 3
    for star, part in (("none", "plain"), ("classifier", "star")):
        parts = [part if name == "star" else name for name in bench_chain.Published.PARTS]

        def ours(star: str = star) -> float:
            told = bench_chain.ours(
                setting.folder, rounds, "real", sizes=sizes, star=star, device=str(setting.device)
            )  # seconds of each
            return 1 / statistics.median(told)

        references = {"published parts": setting.rate(1, partial(published.generation, parts))}
        name = "without STAR" if star == "none" else "with STAR"
        yield Case(name, "generations", asdict(sizes), ours, references, 2)


# --- language


def _gpt2(setting: Setting) -> torch.nn.Module:
    shape = {"n_embd": 16, "n_head": 2} if setting.tiny else {}
    return bench_generation.network(1 if setting.tiny else 12, **shape).to(setting.device)


def writing(kind: str, setting: Setting) -> Iterator[Case]:
    """Continuations of prompts of mixed length by a GPT-2 of random weights, 20 tokens each."""
    model, batch = _gpt2(setting), 20 if setting.tiny else 400
    count = 2 if setting.tiny else {"nucleus": 1_000, "beam": 100}[kind]
    rows, some = bench_generation.prompts(count), bench_generation.prompts(max(1, count // 4))
    ways = {
        name: setting.rate(20 * count, partial(way, model, rows, kind, batch))
        for name, way in bench_generation.WAYS.items()
    }
    ours = ways.pop("generate")
    profiled = (partial(bench_generation.ours, model, some, kind, batch), 20 * len(some))
    yield Case(kind, "tokens", {"prompts": count, "batch": batch, "layers": model.config.n_layer}, ours, ways,
               2, profiled)  # fmt: skip


def tuning(setting: Setting) -> Iterator[Case]:
    """Fine-tuning with the published recipe: batches of 16, prompts of mixed length and 20 tokens after each."""
    model, how = _gpt2(setting), replace(PUBLISHED["gpt2"], batch_size=2 if setting.tiny else 16)
    rows = _texts(4 if setting.tiny else 1_600)
    order = np.random.default_rng(1).permutation(len(rows))
    sorts = {"file order": order, "equal batches": np.argsort(rows.lengths(), kind="stable")}

    def ours(rows: TokenRows) -> None:
        with computing(0):
            finetuning.fit(model, rows, how, Work(Streams((0,))))

    some = rows.take(np.arange(len(rows) // 4))
    yield Case(
        "float32", "rows", {"rows": len(rows), "batch": how.batch_size, "layers": model.config.n_layer},
        setting.rate(len(rows), partial(ours, rows)),
        {
            f"transformers, {name}": setting.rate(len(rows), partial(tuned, model, rows, sequence, how.batch_size))
            for name, sequence in sorts.items()
        },
        3, (partial(ours, some), len(some)),
    )  # fmt: skip


def _texts(count: int) -> TokenRows:
    draws = np.random.default_rng(2)
    prompts: Column = bench_generation.prompts(count)
    return TokenRows(prompts, ragged([draws.integers(0, bench_generation.END, 20) for _ in range(count)]))


def tuned(model: torch.nn.Module, rows: TokenRows, order: np.ndarray, batch: int) -> None:
    """As a trainer of transformers does it: padded batches, labels of prompts left out, AdamW, a line down to 0."""
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.0, fused=device.type == "cuda")
    parts = [order[begin : begin + batch] for begin in range(0, len(order), batch)]
    line = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / len(parts), len(parts))
    model.train()
    for part in parts:
        texts = padded(rows.take(part), bench_generation.END, 1024)
        ids, real = (torch.from_numpy(array).to(device) for array in (texts.ids, texts.real))
        labels = torch.from_numpy(np.where(texts.learnt, texts.ids, -100)).to(device)
        logits = model(input_ids=ids, attention_mask=real.long(), use_cache=False).logits[:, :-1]
        functional.cross_entropy(logits.flatten(0, 1).float(), labels[:, 1:].flatten()).backward()
        optimizer.step()
        line.step()
        optimizer.zero_grad()


SECTIONS: dict[str, Callable[[Setting], Iterator[Case]]] = {
    "baidunet9": partial(steps, "baidunet9"),
    "resnet18": partial(steps, "resnet18"),
    "figure3": figure,
    "generation": generation,
    "fine-tuning": tuning,
    "nucleus": partial(writing, "nucleus"),
    "beam": partial(writing, "beam"),
}


def measure(name: str, device: str, *, tiny: bool) -> dict[str, object]:
    """A section's figures, as they are written."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(torch.device(device), tiny, Path(folder))
        cases = [asdict(measured(case, setting)) for case in SECTIONS[name](setting)]
    return {"seconds": time.perf_counter() - begun, "cases": cases}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=Path, help="written after every section")
    options = parser.parse_args(arguments)
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section is called {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    cuda = options.device.startswith("cuda")
    card = torch.cuda.get_device_name(options.device) if cuda else "CPU"
    result: dict[str, object] = {"device": card, "torch": torch.__version__, "tiny": options.tiny}
    for name in options.sections or SECTIONS:
        result[name] = section = measure(name, options.device, tiny=options.tiny)
        show(name, section)
        if options.json:
            options.json.write_text(json.dumps(result, indent=2) + "\n")


def show(name: str, section: Mapping[str, object]) -> None:
    """A line a reference."""
    print(f"{name} ({section['seconds']:.0f} s)")
    for case in section["cases"]:
        busy = "" if case["busy"] is None else f", card busy {case['busy']:.0%}"
        print(f"  {case['case']}: {case['ours']:,.4g} {case['unit']}/s{busy}")
        for reference, told in case["references"].items():
            span = f"{told['least']:.2f} to {told['most']:.2f}"
            print(f"    {told['ratio']:.2f} x ({span}) of {reference}: {told['rate']:,.4g} {case['unit']}/s")


if __name__ == "__main__":
    main(sys.argv[1:])
