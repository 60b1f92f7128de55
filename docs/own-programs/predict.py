"""Gaussian naive Bayes, the predicting half: predict.py MODEL_FOLDER ROWS.csv OUTPUT.csv."""

import csv
import json
import math
import sys
from pathlib import Path

model_folder, rows_file, output_file = map(Path, sys.argv[1:])
model = json.loads((model_folder / "model.json").read_text())
classes = model["classes"]

with rows_file.open(newline="") as rows, output_file.open("w", newline="") as output:
    writer = csv.writer(output)
    writer.writerow(["id", "prediction", *(f"probability.{name}" for name in classes)])
    for row in csv.DictReader(rows):
        logs = {}
        for name, learnt in classes.items():
            logs[name] = math.log(learnt["share"])
            for feature, mean, variance in zip(model["features"], learnt["means"], learnt["variances"], strict=True):
                logs[name] -= (math.log(variance) + (float(row[feature]) - mean) ** 2 / variance) / 2
        best = max(logs, key=logs.get)
        weights = [math.exp(value - logs[best]) for value in logs.values()]
        writer.writerow([row["id"], best, *(weight / sum(weights) for weight in weights)])
