"""Draws `clip-pictures.png`: real pictures of a run above those that its generator made for the same captions.

    python docs/clip_pictures.py RUN OUT.png

of a run of `quickstart-clip` with `loop.share = 1.0`. Which pictures are shown a stream of the seed decides, by their
ids; nobody chooses.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.store.reader import Run
from biasloop_clip import ClipDomain
from biasloop_clip.learner import CODE

PICTURES, COLUMNS, LARGER = 32, 16, 3
BETWEEN = 4  # pixels, between rows of pairs


def main(directory: Path, file: Path) -> None:
    """Writes the picture."""
    run = Run.open(directory)
    settings = {key: value for key, value in run.identity["domain"].items() if key != "name"}
    seed = run.identity["seed"]
    domain = ClipDomain(ClipDomain.Config.model_validate(settings), Context(Path("data"), Streams((seed, "data")), threads=1))
    pool = domain.splits().pool
    ids = Streams((seed, "docs", "pictures")).order(pool)[:PICTURES]
    codes = run.read("model-0000", models=True).models["inputs"].arrays[CODE]  # a row for each of the pool
    made = domain._learner.decoded(codes[np.searchsorted(pool, ids)])
    real = domain._data.render(ids)
    rows = []
    for start in range(0, PICTURES, COLUMNS):
        part = slice(start, start + COLUMNS)
        rows += [np.concatenate([*real[part]], 1), np.concatenate([*made[part]], 1)]
        rows.append(np.full((BETWEEN, rows[0].shape[1], 3), 255, np.uint8))
    image = Image.fromarray(np.concatenate(rows[:-1]))
    image.resize((image.width * LARGER, image.height * LARGER), Image.Resampling.NEAREST).save(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
