"""Small stand-ins of what the language domain fetches, in exactly the published formats."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

from support.archives import remote, special, tar_gz

from biasloop.datasets import real_toxicity
from biasloop.datasets.texts import REALTOXICITYPROMPTS
from biasloop_language.scorers import detoxify

MEMBER = "realtoxicityprompts-data/prompts.jsonl"
ROWS = [
    ("According to a", " report from the inspector—an \u201cagency\u201d."),
    ("5][6] The term was coined by Maki", " Fukasawa in 2006.["),
    ("Line one\u2028still line one", " \n and\ttwo"),
]


def lines(rows=ROWS) -> bytes:
    """As published: scores beside the texts, everything but ASCII escaped."""
    records = [
        {"filename": f"0{n}.txt", "begin": 0, "end": 9, "challenging": False,
         "prompt": {"text": prompt, "toxicity": 0.29, "threat": None},
         "continuation": {"severe_toxicity": 0.02, "text": continuation}}
        for n, (prompt, continuation) in enumerate(rows)
    ]  # fmt: skip
    return b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records)


def archive(content: bytes) -> bytes:
    return tar_gz({
        "realtoxicityprompts-data/": special("realtoxicityprompts-data/", tarfile.DIRTYPE),
        "realtoxicityprompts-data/generations/prompted/gens.jsonl": b'{"generations": []}\n' * 50,
        "realtoxicityprompts-data/._prompts.jsonl": b"not these",
        MEMBER: content,
        "realtoxicityprompts-data/generations/unprompted.jsonl": b'{"text": "x"}\n' * 50,
    })  # fmt: skip


def published(content: bytes, rows=3, url: str = ""):
    """The data set with an archive of that content; of the file of prompts, what it has to say."""
    filename = "realtoxicityprompts-data.tar.gz"
    (prompts,) = REALTOXICITYPROMPTS.remotes
    urls = (url + prompts.filename,) if url else ()
    return replace(
        REALTOXICITYPROMPTS,
        rows=rows,
        remotes=(replace(prompts, urls=urls, examine=real_toxicity.examine(rows)),),
        archive=remote(filename, content, url + filename),
    )


def put(data, content: bytes, rows=3):
    dataset = published(content, rows)
    dataset.directory(data).mkdir(parents=True)
    (dataset.directory(data) / dataset.archive.filename).write_bytes(content)
    return dataset


VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "you", "are", "a", "very", "nice", "awful", "person", "##s", "!",
    ",", "cat", "dog", "hello",
]  # fmt: skip
PUBLISHED = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]


def tiny_detoxify(data: Path):
    """Puts a random BERT in the published layout into a data directory; gives that model."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.set_num_threads(1)
    place = data / detoxify.DIRECTORY
    place.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            initializer_range=0.5,
            num_labels=6,
        )
        model = BertForSequenceClassification(config).eval()
    BertConfig(**{**config.to_dict(), "num_labels": 2}).save_pretrained(place)  # as published, without the head
    (place / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    save(place, model.state_dict())
    return model


def save(place, state, classes=PUBLISHED, **more):
    import torch

    arguments = {"num_classes": 6, "model_type": "bert-base-uncased", "model_name": "BertForSequenceClassification"}
    config = {"arch": {"type": "BERT", "args": arguments}, "dataset": {"args": {"classes": classes}}}
    torch.save({"config": config, "state_dict": state, **more}, place / detoxify.CHECKPOINT)


def tiny_gpt2(place: Path, texts, positions: int = 96) -> Path:
    """Saves a random network of GPT-2's shape with a vocabulary learnt from texts, as safetensors."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from biasloop_language.encoder import train

    encoder = train(texts, 400)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shape = {"n_layer": 1, "n_embd": 16, "n_head": 2, "n_positions": positions}
        end = {"bos_token_id": encoder.eos, "eos_token_id": encoder.eos}
        model = GPT2LMHeadModel(GPT2Config(vocab_size=encoder.size, **shape, **end))
    model.save_pretrained(place)
    encoder.inner.save(str(place / "tokenizer.json"))
    return place
