"""Gaussian naive Bayes, the training half: train.py ROWS.csv MODEL_FOLDER. Python's standard library alone."""

import csv
import json
import statistics
import sys
from pathlib import Path

rows_file, model_folder = map(Path, sys.argv[1:])
with rows_file.open(newline="") as file:
    rows = list(csv.DictReader(file))
features = [name for name in rows[0] if name not in ("id", "label", "made")]

by_class = {}
for row in rows:
    by_class.setdefault(row["label"], []).append(row)

model = {"features": features, "classes": {}}
for label, members in sorted(by_class.items()):
    columns = [[float(row[name]) for row in members] for name in features]
    model["classes"][label] = {
        "share": len(members) / len(rows),
        "means": [statistics.fmean(column) for column in columns],
        # 100 is added, so that a class of one row has a variance too.
        "variances": [statistics.pvariance(column) + 100 for column in columns],
    }
(model_folder / "model.json").write_text(json.dumps(model))
