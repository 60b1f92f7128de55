"""The published mixer, against what its own code gave."""

import json
from pathlib import Path

import numpy as np
import pytest

from biasloop_clip.compat import released_folder, released_masks, released_replaced

GOLDEN = json.loads((Path(__file__).parent / "clip_mix_golden.json").read_text())
KEYS = GOLDEN["keys_per_shard"]
SIZES = [len(keys) for keys in KEYS]
WITHOUT = set(GOLDEN["keys_without_generated_image"])


@pytest.mark.parametrize("ratio", sorted(GOLDEN["ratios"]))
def test_masks_and_replaced_keys_are_those_of_the_published_code(ratio):
    expected = GOLDEN["ratios"][ratio]
    masks = released_masks(SIZES, float(ratio), GOLDEN["seed"])
    assert [mask.astype(int).tolist() for mask in masks] == expected["bernoulli_mask"]
    for number, (keys, mask) in enumerate(zip(KEYS, masks, strict=True)):
        assert released_replaced(keys, mask, WITHOUT) == expected["replaced_keys_legacy_shifted"][number]
        assert released_replaced(keys, mask, WITHOUT, shifted=False) == expected["replaced_keys_aligned"][number]
        uniforms = np.array(GOLDEN["uniform_draws"][number])
        assert mask.tolist() == (uniforms >= 1 - float(ratio)).tolist()
    assert int(released_folder(float(ratio))) == expected["out_dir_suffix"]
    assert [len(set(keys) - WITHOUT) for keys in KEYS] == GOLDEN["kept_in_output_count"]


def test_names_of_folders_are_cut_off():
    assert {share: int(released_folder(float(share))) for share in GOLDEN["suffix_truncation_bug"]} == (
        GOLDEN["suffix_truncation_bug"]
    )


@pytest.mark.parametrize("ratio", ["0.2", "0.6"])
def test_a_mask_of_one_share_is_part_of_a_larger_ones(ratio):
    low, high = (released_masks(SIZES, share) for share in (float(ratio), float(ratio) + 0.2))
    assert all((small <= large).all() for small, large in zip(low, high, strict=True))
