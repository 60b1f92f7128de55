"""Trains or predicts: two classes of one number, whose share of "b" is counted below and above a threshold."""

import csv
import random
import sys
from pathlib import Path


def train(rows: str, model: str, seed: str) -> None:
    """Leaves the threshold, which is drawn, and the share of "b" on both sides of it."""
    threshold = random.Random(int(seed)).randrange(40, 60)
    sides: list[list[int]] = [[], []]
    with Path(rows).open(newline="") as stream:
        for row in csv.DictReader(stream):
            sides[int(row["x"]) >= threshold].append(row["label"] == "b")
    shares = [(sum(side) + 1) / (len(side) + 2) for side in sides]
    Path(model, "rule.txt").write_text(f"{threshold} {shares[0]!r} {shares[1]!r}\n")


def predict(model: str, rows: str, output: str, seed: str) -> None:
    """Writes the likelier class of each row and the shares."""
    threshold, *shares = Path(model, "rule.txt").read_text().split()
    with Path(rows).open(newline="") as stream, Path(output).open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "prediction", "confidence", "probability.a", "probability.b"])
        for row in csv.DictReader(stream):
            share = float(shares[int(row["x"]) >= int(threshold)])
            writer.writerow([row["id"], "ab"[share >= 0.5], max(share, 1 - share), 1 - share, share])


if __name__ == "__main__":
    {"train": train, "predict": predict}[sys.argv[1]](*sys.argv[2:])
