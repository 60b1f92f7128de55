"""Settings of the domain "clip" that fit in a moment."""

SMALL = {
    "pictures": {"roles": 6, "pool": 40, "test": 1, "canvas": 16},
    "maker": {"components": 8, "width": 16, "blocks": 1, "epochs": 1, "batch_size": 40, "steps": 2},
    "measures": {"neutral": 4, "explicit": 2, "reader": 1, "reader_epochs": 1},
    "width": 16, "layers": 1, "text_width": 16, "embedding": 8, "epochs": 1, "batch_size": 40,
}  # fmt: skip


def changes():
    """The same, as what is changed of a preset."""
    return {("domain", name): value for name, value in SMALL.items()}
