"""Which micro-batches make an update, and how much each counts."""

from dataclasses import dataclass

from biasloop.training.recipe import Recipe


@dataclass(frozen=True)
class Updates:
    """Each update takes the mean loss over all tokens of `accumulation` micro-batches together.

    So accumulation saves memory and changes nothing else: 2 micro-batches of 8 rows update as 1 of 16 does.

    Attributes:
        recipe: of the fine-tuning.
    """

    recipe: Recipe

    def groups(self, batches: int) -> list[int]:
        """Micro-batches of each update of an epoch; the last may have fewer."""
        full, rest = divmod(batches, self.recipe.accumulation)
        return [self.recipe.accumulation] * full + ([rest] if rest else [])

    def factor(self, tokens: float, group: float) -> float:
        """What a micro-batch's summed loss is multiplied by.

        Args:
            tokens: predicted in the micro-batch, weighted where rows are; above 0.
            group: predicted in the whole update.
        """
        return 1 / group

    def settings(self, update: int, planned: int) -> dict[str, float]:
        """Learning rate and epsilon of torch's AdamW at an update, counted from 1 over all epochs."""
        return {"lr": self.recipe.rate(update, planned), "eps": 1e-8}
