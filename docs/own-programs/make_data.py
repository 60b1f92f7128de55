"""Writes clothes.csv: 2,000 of the Fashion-MNIST images that come with biasloop, as 4 x 4 mean pixels.

    python docs/own-programs/make_data.py clothes.csv

The last 200 rows have no label. `tone` says whether the whole image is darker or brighter than most.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from biasloop import datasets

ROWS, UNLABELLED = 2000, 200


def main(target: str) -> None:
    """Write the table."""
    data = datasets.get("fashion-mnist-t10k").load(Path())
    images = data.take(np.arange(ROWS)).astype(np.float64)
    means = images.reshape(ROWS, 4, 7, 4, 7).mean(axis=(2, 4)).reshape(ROWS, 16)
    tones = np.where(means.mean(axis=1) < np.median(means.mean(axis=1)), "dark", "bright")
    with Path(target).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "class", "tone", *(f"p{number}" for number in range(16))])
        for row, pixels in enumerate(means.tolist()):
            label = "" if row >= ROWS - UNLABELLED else data.classes[data.labels[row]]
            writer.writerow([f"image-{row:04}", label, tones[row], *(f"{value:.1f}" for value in pixels)])


main(sys.argv[1])
