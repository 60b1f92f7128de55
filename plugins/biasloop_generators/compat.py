"""What the published code does otherwise (Wyllie et al. 2024)."""

from biasloop_generators.optimizers import Optimizer, published

COLORING_SEED = 0  # one data set, built once, served all released runs


def released_optimizer(kind: str, data: str, learning_rate: float) -> Optimizer:
    """The optimiser that is built, whatever weight decay is asked for.

    Args:
        kind: "adam" or "published" give the one of the data set; all other names plain SGD.
        data: name of the data set; with "celeba", Adam ignores the learning rate.
        learning_rate: as asked for.
    """
    if kind not in {"adam", "published"}:
        return Optimizer("sgd", learning_rate, 0.0)
    usual = published(data)
    return usual if data == "celeba" else Optimizer(usual.kind, learning_rate, usual.weight_decay)
