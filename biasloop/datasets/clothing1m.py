"""Clothing1M: what its files are called, and how they are asked for; no NumPy.

Its publisher hands it out on request: photographs below `images/`, lists of keys of each split, and labels by key,
those that a shop's words say (noisy) and those of people (clean).
"""

from biasloop.datasets.assets import Asked, Asset

CLASSES = (
    "t-shirt", "shirt", "knitwear", "chiffon", "sweater", "hoodie", "windbreaker", "jacket", "down-coat", "suit",
    "shawl", "dress", "vest", "underwear",
)  # fmt: skip
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of channels of pixels scaled to 0 .. 1: ImageNet's, as the published experiments normalise them."""
NOISY_TRAIN, CLEAN_TRAIN = "noisy_train_key_list.txt", "clean_train_key_list.txt"
CLEAN_VALID, CLEAN_TEST = "clean_val_key_list.txt", "clean_test_key_list.txt"
NOISY_LABELS, CLEAN_LABELS = "noisy_label_kv.txt", "clean_label_kv.txt"
FILES = (NOISY_TRAIN, CLEAN_TRAIN, CLEAN_VALID, CLEAN_TEST, NOISY_LABELS, CLEAN_LABELS)

CLOTHING1M = Asset(
    name="clothing1m",
    summary="photographs of clothes from shops, in 14 classes: a million with noisy labels, 72,409 with clean ones",
    homepage="https://github.com/Cysu/noisy_label",
    licence="for research, as agreed with the publisher",
    citation=(
        "T. Xiao, T. Xia, Y. Yang, C. Huang, X. Wang (2015). Learning from Massive Noisy Labeled Data for Image "
        "Classification. CVPR."
    ),
    asked=Asked("its page says whom to write to, and what the mail has to say", ("images", *FILES)),
)
