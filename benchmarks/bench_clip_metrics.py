"""Metrics of embeddings in closed form, and encoding in batches, against the published procedures.

Sections, each with its fact of what is compared; references are written as the published code works, and those that
would take hours are measured for 20 resamples (of the labels' table: 200 images) and extrapolated, which is said.

* self-similarity: 225 groups of 86,744 x 1,024 rows of FairFace's sizes, against 10,000 draws of 22 images a group;
* preference: the shares of all groups and cells, against balancing tables of rows 10,000 times;
* coco: which caption is of which image, and its labels, against a filter an image and a table that grows;
* retrieval: ranks of 4,614 queries among as many images of 1,024 dimensions, against the bare matrix product;
* encoding: images and texts in batches, files being read, against one at a time, with random weights of a published
  shape.

    python benchmarks/bench_clip_metrics.py [SECTION ...] [--quick] [--threads 1] [--model RN50]
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from biasloop.contract.encoding import EncoderSettings
from biasloop.datasets import coco_bias
from biasloop.datasets.picture_files import pictures_at
from biasloop.metrics import preference, retrieval, similarity
from biasloop.running.embedding import embed

MEASURED = 20  # resamples of a reference
DRAWS = 10_000  # of the published procedure
RACES = (12_287, 12_319, 10_795, 16_527, 9_216, 13_367, 12_233)
GENDERS = (40_758, 45_986)
AGES = (1_792, 10_408, 9_103, 25_598, 19_250, 10_744, 6_228, 2_779, 842)
GROUPINGS = ((0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2))


def seconds(way, repeats=3):
    """The least of several times, and what the last gave."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = way()
        times.append(time.perf_counter() - start)
    return min(times), result


def faces(quick):
    """`(n, 3)` codes of race, gender and age in FairFace's numbers, at random."""
    rng = np.random.default_rng(0)
    columns = [rng.permutation(np.repeat(np.arange(len(sizes)), sizes)) for sizes in (RACES, GENDERS, AGES)]
    codes = np.stack(columns, axis=1)
    return codes[: len(codes) // (40 if quick else 1)]


def cells_of(codes):
    """`(n,)` cells, and `(225, 126)` which of them each group is made of."""
    values = np.array(list(itertools.product(range(7), range(2), range(9))))  # (126, 3)
    members = [
        (values[:, columns] == chosen).all(axis=1)
        for columns in GROUPINGS
        for chosen in itertools.product(*(range((7, 2, 9)[column]) for column in columns))
    ]
    return codes @ [18, 9, 1], np.array(members)


def published_similarity(features, draws):
    """As published: a draw of 22 rows at a time, and the mean over the pairs of their cosines."""
    upper = np.triu_indices(22, 1)
    numbers = []
    for _ in range(draws):
        rows = features[np.random.randint(len(features), size=22)]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        numbers.append((rows @ rows.T)[upper].mean())
    return np.mean(numbers)


def self_similarity(quick, _):
    codes = faces(quick)
    rng = np.random.default_rng(1)
    features = rng.normal(0.05, 1, (len(codes), 64 if quick else 1024)).astype(np.float32)
    cells, members = cells_of(codes)
    ours, metrics = seconds(lambda: similarity.by_group(features, cells, members), 1 if quick else 3)
    reference = 0.0
    chosen = range(0, len(members), 25)  # of all sizes
    for group in chosen:
        rows = features[members[group][cells]]
        if len(rows):
            reference += seconds(lambda rows=rows: published_similarity(rows, MEASURED), 1)[0]
    whole = reference / len(chosen) / MEASURED * DRAWS * len(members)
    print(f"  closed form of {len(members)} groups with standard errors: {ours:.2f} s")
    print(f"  published, extrapolated from {MEASURED} resamples of {len(chosen)} groups: {whole:,.0f} s")
    sample = features[members[0][cells]][:2000]
    drawn = similarity.published(sample, np.random.RandomState(0), draws=2000)
    apart = abs(drawn - similarity.self_similarity(sample).value) / similarity.resample_deviation(sample) * 2000**0.5
    print(f"  on 2,000 draws both are {apart:.1f} standard errors apart")
    assert len(metrics) == len(members)
    assert apart < 5
    return whole / ours


def balanced(table, column):
    """As published: of each larger class as many rows as it has more than the smallest are dropped."""
    sizes = table[column].value_counts()
    for value, size in sizes.items():
        if size > sizes.min():
            table = table.drop(table[table[column] == value].sample(size - sizes.min()).index)
    return table


def person_preference(quick, _):
    codes = faces(quick)
    prefers = np.random.default_rng(2).random((len(codes), 3)) < 0.3
    table = pd.DataFrame(codes, columns=["race", "gender", "age"], index=[f"{n}.jpg" for n in range(len(codes))])
    table["cell"] = [f"{gender} {age}" for gender, age in codes[:, 1:]]
    answers = pd.DataFrame(prefers, columns=["race", "gender", "age"], index=table.index)
    cells = codes[:, 1] * 9 + codes[:, 2]

    def closed():
        shares = [preference.by_group(prefers[:, c], codes[:, c], n) for c, n in enumerate((7, 2, 9))]
        shares += [preference.by_group(prefers[:, c], cells, 18) for c in range(3)]
        for gender, race in ((1, 3), (0, 6)):
            rows = (codes[:, 1] == gender) & (codes[:, 0] == race)
            shares += [preference.by_group(prefers[rows, c], codes[rows, 2], 9) for c in range(3)]
        return shares

    ours, shares = seconds(closed)
    times = {}
    for column in ("race", "gender", "age", "cell"):
        means, name = [], "age" if column == "cell" else column

        def resampled(column=column, name=name, means=means):
            chosen = balanced(table, column)
            means.append(answers.loc[chosen.index, name].groupby(chosen[column]).mean())

        times[column] = seconds(lambda once=resampled: [once() for _ in range(MEASURED)], 1)[0] / MEASURED
        if column == "race":
            apart = pd.concat(means, axis=1).mean(axis=1).sort_index() - [metric.value for metric in shares[0]]
            print(f"  over {MEASURED} resamples shares are at most {abs(apart).max():.4f} apart")
            assert abs(apart).max() < 0.05
    of_cell = answers.loc[table.index[(codes[:, 0] == 3) & (codes[:, 1] == 1)]]
    pair = seconds(lambda: [of_cell.sample(min(22, len(of_cell))).sum() for _ in range(MEASURED)], 1)[0] / MEASURED
    whole = DRAWS * (times["race"] + times["gender"] + 2 * times["age"] + 18 * times["cell"] + 18 * pair)
    print(f"  closed form of all groups, cells and pairs: {1e3 * ours:.1f} ms")
    print(f"  published, extrapolated from {MEASURED} resamples of each table: {whole / 3600:,.1f} h")
    return whole / ours


def coco(quick, _):
    count = 500 if quick else 10_000
    rng = np.random.default_rng(3)
    images = rng.permutation(count * 20)[:count]
    of_captions = rng.permutation(np.repeat(images, 5))
    labels = rng.integers(0, 4, count)

    def joined():
        positions, captions = coco_bias.aligned(images, of_captions)
        return labels[positions], captions

    captions = pd.DataFrame({"image_id": of_captions, "caption": [f"caption {n}" for n in range(len(of_captions))]})
    table = pd.DataFrame({"id": images, "label": labels})

    def published(some):
        built = pd.DataFrame()
        for number in some:
            rows = captions[captions["image_id"] == number].copy()
            rows["label"] = table[table["id"] == number]["label"].item()
            built = pd.concat([built, rows])
        return built

    ours, (of_caption, order) = seconds(joined)
    some = images[:200]
    part, built = seconds(lambda: published(some), 1)
    assert built["label"].tolist() == of_caption[: len(built)].tolist()
    assert built.index.tolist() == order[: len(built)].tolist()
    whole = part / len(some) * count
    print(f"  labels of {len(of_captions):,} captions: {1e3 * ours:.1f} ms")
    print(f"  published, extrapolated from {len(some)} images (a lower bound, the table grows): {whole:.1f} s")
    return whole / ours


def retrieved(quick, _):
    rng = np.random.default_rng(4)
    texts, images = rng.normal(size=(2, 400 if quick else 4614, 64 if quick else 1024)).astype(np.float32)
    pairs = []
    for _ in range(3 if quick else 9):
        ours = seconds(lambda: retrieval.ranks(texts, images), 1)[0]
        bare = seconds(lambda: texts @ images.T, 1)[0]
        pairs.append((ours, bare))
    ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"  ranks {1e3 * ours:.0f} ms, bare product {1e3 * bare:.0f} ms")
    ratio = statistics.median(first / second for first, second in pairs)
    print(f"  ranks take {ratio:.2f} times as long as the product (median over pairs)")
    return 1 / ratio


def encoding(quick, options):
    import open_clip
    import torch
    from PIL import Image

    from biasloop_clip.encoding import OpenClip

    torch.set_num_threads(options.threads)
    count = 4 if quick else 16
    model, _, transform = open_clip.create_model_and_transforms(options.model)
    settings = EncoderSettings(options.model, device="cpu", threads=options.threads)
    encoder = OpenClip(settings, model, transform, open_clip.get_tokenizer(options.model))
    encoder.about = dict
    rng = np.random.default_rng(5)
    texts = {str(n): f"a photo of thing {n}" for n in range(2 * count)}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((256, 256)).save(Path(folder) / f"{number:03}.jpg")
        pictures = pictures_at(Path(folder))

        def by_ones():
            for picture in pictures:
                encoder.images(encoder.prepare(picture.read())[None])

        by_ones()  # what is computed first takes longer
        pairs = [
            (
                seconds(by_ones, 1)[0],
                seconds(lambda: embed(encoder, pictures, {}, Path(folder) / "e.safetensors", batch=options.batch), 1)[
                    0
                ],
            )
            for _ in range(options.repeats)
        ]
    slow, fast = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"  {options.model}, {options.threads} threads: {count / slow:.2f} -> {count / fast:.2f} images/s")
    print(f"  {slow / fast:.2f} times as fast; of COCO, each image once and not 5 times: {5 * slow / fast:.1f} times")
    whole = encoder._tokenizer(list(texts.values()))
    slow_texts = seconds(lambda: [encoder._encoded(model.encode_text, row[None]) for row in whole], 1)[0]
    fast_texts = seconds(lambda: encoder.texts(list(texts.values())), options.repeats)[0]
    print(
        f"  {len(texts) / slow_texts:.1f} -> {len(texts) / fast_texts:.1f} texts/s, {slow_texts / fast_texts:.1f} times"
    )
    return slow / fast


SECTIONS = {
    "self-similarity": self_similarity, "preference": person_preference, "coco": coco, "retrieval": retrieved,
    "encoding": encoding,
}  # fmt: skip


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    parser.add_argument("--quick", action="store_true", help="small sizes, in seconds: shows that it works")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "1")))
    parser.add_argument("--batch", type=int, default=8, help="images at once")
    parser.add_argument("--repeats", type=int, default=3, help="of encoding")
    parser.add_argument("--model", default="RN50", help="a shape of open_clip's, with random weights")
    options = parser.parse_args(arguments)
    ratios = {}
    for name in options.sections or SECTIONS:
        print(name)
        ratios[name] = SECTIONS[name](options.quick, options)
        print(f"  {ratios[name]:,.4g} times as fast")
    return ratios


if __name__ == "__main__":
    main()
