"""The built-in encoder of texts; everything here takes token ids with `encoding.PADDING` on the right."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_HEADS = 4
_SPREAD = 0.02  # standard deviation of initial embeddings, as in BERT


class Block(nn.Module):
    """A transformer layer that normalises first (Xiong et al. 2020)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropped = nn.Dropout(dropout)
        self.before_attention, self.before_hidden = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projections, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """New states.

        Args:
            states: `(n, length, width)`.
            real: `(n, length)` True where a token is; no row is without one.
        """
        n, length, width = states.shape
        parts = self.projections(self.before_attention(states)).view(n, length, 3, _HEADS, width // _HEADS)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # (n, heads, length, width / heads) each
        mask = real[:, None, None, :]  # (n, 1, 1, length)
        attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        states = states + self.dropped(self.joined(attended.transpose(1, 2).reshape(n, length, width)))
        result: Tensor = states + self.dropped(self.hidden(self.before_hidden(states)))
        return result


class SmallEncoder(nn.Module):
    """Embeddings of tokens, perhaps transformer layers, the mean over the tokens of each text, a hidden layer.

    Of a pair (a, b) the hidden layer sees a, b, |a - b| and a b (Conneau et al. 2017, InferSent).

    Args:
        vocabulary: tokens.
        classes: to tell apart.
        length: tokens that a row may have.
        pairs: whether rows are pairs of texts.
        width: of embeddings and layers; a multiple of four.
        layers: transformer layers; without one the order of tokens counts nothing.
        dropout: share of activations left out in training.
    """

    def __init__(
        self, vocabulary: int, classes: int, *, length: int, pairs: bool, width: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.pairs, self.dropped = pairs, nn.Dropout(dropout)
        self.tokens = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.tokens.weight, std=_SPREAD)
        self.positions = nn.Embedding(length if layers else 0, width)
        nn.init.normal_(self.positions.weight, std=_SPREAD)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width * (4 if pairs else 1), width)
        self.classes = nn.Linear(width, classes)

    def forward(self, rows: Tensor) -> Tensor:
        """`(n, classes)` logits of `(n, 1 or 2, length)` token ids and kinds."""
        rows = trimmed(rows)
        real = rows[:, 0] >= 0  # (n, length)
        states = self.tokens(rows[:, 0].clamp(min=0))  # (n, length, width)
        if len(self.blocks):
            states = states + self.positions.weight[: states.shape[1]]
            for block in self.blocks:
                states = block(states, real)
        if self.pairs:
            first, second = (self.norm(_mean(states, rows[:, 1] == kind)) for kind in (0, 1))  # (n, width) each
            pooled = torch.cat([first, second, (first - second).abs(), first * second], 1)
        else:
            pooled = self.norm(_mean(states, real))
        hidden = functional.gelu(self.hidden(self.dropped(pooled)))
        logits: Tensor = self.classes(self.dropped(hidden))
        return logits


def _mean(states: Tensor, of: Tensor) -> Tensor:
    """`(n, width)` the mean of `(n, length, width)` states over the `(n, length)` tokens marked; 0 where none is."""
    marked = of.unsqueeze(2).to(states.dtype)  # (n, length, 1)
    return (states * marked).sum(1) / marked.sum(1).clamp(min=1)


def trimmed(rows: Tensor) -> Tensor:
    """`(n, 1 or 2, longest)` int64 of `(n, 1 or 2, length)` rows, without the columns that are padding in all of them.

    On a GPU none is left out, since the host would have to wait for the answer.
    """
    if rows.device.type == "cpu" and len(rows):
        longest = int((rows[:, 0] >= 0).sum(1).max())
        rows = rows[:, :, :longest]
    return rows.long()
