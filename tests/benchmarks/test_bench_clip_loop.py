"""`benchmarks/bench_clip_loop.py`: both sections work, and the plain loop trains what ours does."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import bench_clip_loop

from biasloop_clip import encoders, recipes
from biasloop_clip.config import Config


def test_the_plain_loop_and_ours_learn_the_same_pairs():
    settings = {"epochs": 20, "batch_size": 16, "learning_rate": 3e-3, "layers": 1, "width": 32}
    config = Config.model_validate({"data": "emoji-roles", **settings})
    recipe, rows, scales = recipes.of_clip(config), bench_clip_loop.training_set(config, 32, 20), []
    for way in (bench_clip_loop.ours, bench_clip_loop.plain):
        torch.manual_seed(0)
        network = encoders.build(config, 20)
        way(network, rows, recipe)
        network.eval()
        with torch.inference_mode():
            pictures = network.encode_image(bench_clip_loop.prepared(rows[0]), normalize=True)
            captions = network.encode_text(rows[1], normalize=True)
        nearest = (pictures @ captions.T).argmax(1)
        assert (nearest == torch.arange(32)).float().mean() > 0.5  # by chance 0.03
        scales.append(float(network.logit_scale.detach()))
    assert abs(scales[0] - scales[1]) < 0.05


@pytest.mark.slow
def test_a_run_is_mostly_computation_of_models(capsys):
    assert 0 < bench_clip_loop.main(["run", "--quick"])["run"] < 1
    assert "outside of models" in capsys.readouterr().out
