"""Tokens a second of continuing prompts of mixed length: `generate` against transformers' own.

Transformers in file order, and in batches of like length as `generate` makes them. All on one CPU thread in the same
process, the same network (shaped as GPT-2 with 50,257 tokens and random weights, but 2 layers instead of 12, so that it
takes minutes), the same prompts and sequences a batch, 20 new tokens; random weights hardly ever end a text. 95 of 100
prompts have 5 to 25 tokens, as in RealToxicityPrompts, the others 40 to 120. Run as a script, it prints the ratios
(`--prompts 1000` takes 6 minutes); `pytest benchmarks/bench_generation.py` times fewer prompts with pytest-benchmark.
"""

import argparse
import time

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from biasloop.contract.randomness import Streams
from biasloop.datasets.tokens import left_padded, lengths, ragged
from biasloop_language.decoding import Decoder, batches, generate

END = 50256
OPTIONS = {
    "nucleus": {"do_sample": True, "top_p": 0.9, "top_k": 0},
    "beam": {"do_sample": False, "num_beams": 10},
}


def network(layers, **shape):
    torch.manual_seed(0)
    made = GPT2LMHeadModel(GPT2Config(n_layer=layers, **shape)).eval()
    made.generation_config.pad_token_id = END
    return made


def prompts(count):
    rng = np.random.default_rng(0)
    sizes = np.where(rng.random(count) < 0.95, rng.integers(5, 26, count), rng.integers(40, 121, count))
    return ragged([rng.integers(0, END, size) for size in sizes])


def decoder(kind, rows):
    return Decoder(kind, batch_rows=rows, batch_tokens=10**9)


def ours(model, rows, kind, batch):
    ids = np.arange(len(rows))
    return len(generate(model, rows, decoder(kind, batch), Streams((0,)), ids, END, lambda done, total: None))


def plain(model, rows, kind, batch):
    """File order, padding to the longest of each batch."""
    size = batch // decoder(kind, batch).width
    order = np.arange(len(rows))
    return continued(model, rows, kind, [order[begin : begin + size] for begin in range(0, len(rows), size)])


def equal(model, rows, kind, batch):
    """Prompts of like length together, as `generate` has them."""
    return continued(model, rows, kind, batches(lengths(rows), decoder(kind, batch)))


def continued(model, rows, kind, parts):
    """Each part of the prompts continued by transformers; how many prompts there were."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        for part in parts:
            ids, real = left_padded(rows.take(part), END)
            mask = torch.from_numpy(real).long().to(device)
            model.generate(torch.from_numpy(ids).to(device), attention_mask=mask, max_new_tokens=20, **OPTIONS[kind])
    return len(rows)


WAYS = {"transformers, file order": plain, "transformers, equal batches": equal, "generate": ours}


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("way", WAYS)
def test_generation(benchmark, way, kind):
    torch.set_num_threads(1)
    model, rows = network(2), prompts(40 if kind == "nucleus" else 8)
    assert benchmark.pedantic(WAYS[way], (model, rows, kind, 40), rounds=1) == len(rows)


def rates(kind, model, rows, batch, repeats):
    """Tokens a second of each way, of processor time; the best of alternating repeats."""
    seconds = {name: [] for name in WAYS}
    for _ in range(repeats):
        for name, way in WAYS.items():
            start = time.process_time()
            way(model, rows, kind, batch)
            seconds[name].append(time.process_time() - start)
    return {name: len(rows) * 20 / min(times) for name, times in seconds.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=400, help="a tenth of them for beams, ten sequences each")
    parser.add_argument("--layers", type=int, default=2, help="of the network; GPT-2 has 12")
    parser.add_argument("--batch", type=int, default=100, help="sequences of a batch, each beam one")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = network(options.layers)
    for kind in OPTIONS:
        rows = prompts(options.prompts // (10 if kind == "beam" else 1))
        file_order, like, fast = rates(kind, model, rows, options.batch, options.repeats).values()
        print(
            f"{kind}, {len(rows)} prompts: {fast:,.0f} tokens/s, {fast / file_order:.2f} of transformers in file order "
            f"({file_order:,.0f}), {fast / like:.2f} of it in batches of like length ({like:,.0f})"
        )
