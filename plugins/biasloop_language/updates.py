"""Which micro-batches make an update, and how much each counts."""

from dataclasses import dataclass

from biasloop_language.recipes import Recipe


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

    def factor(self, tokens: int, group: int) -> float:
        """What a micro-batch's summed loss is multiplied by.

        Args:
            tokens: predicted in the micro-batch, at least 1.
            group: predicted in the whole update.
        """
        return 1 / group

    def epsilon(self, update: int) -> float:
        """Epsilon of torch's AdamW at an update, counted from 0 over all epochs."""
        return 1e-8
