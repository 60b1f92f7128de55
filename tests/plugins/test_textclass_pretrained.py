"""Encoders by name or path: the library's own classes, at a tiny size."""

import json
import re

import numpy as np
import pytest
import torch
from support import textclass
from support.textclass import SMALL
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from biasloop.contract.context import Work
from biasloop.contract.data import Samples
from biasloop.contract.domains import Demands
from biasloop.contract.randomness import Streams
from biasloop.contract.testing import check
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop_textclass import TextClassDomain
from biasloop_textclass.pretrained_encoder import Classifier, Pretrained

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "good", "fine", "great", "bad", "poor", "awful", "film", "book",
         "play", "song", "number", ",", *map(str, range(10)), *(f"##{digit}" for digit in range(10))]  # fmt: skip
SIZES = {"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 32, "max_position_embeddings": 34, "pad_token_id": 0}  # fmt: skip
KINDS = {
    "bert": lambda: BertForMaskedLM(BertConfig(**SIZES)),
    "roberta": lambda: RobertaForMaskedLM(RobertaConfig(**SIZES)),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(
            vocab_size=len(WORDS), dim=16, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=34
        )
    ),
}


def put(folder, kind="bert"):
    """An encoder of that kind, with random weights and a tokenizer as BERT's."""
    torch.manual_seed(0)
    KINDS[kind]().save_pretrained(folder)
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]", length=30)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def encoder(tmp_path):
    (tmp_path / "encoder").mkdir()
    return str(put(tmp_path / "encoder"))


@pytest.fixture
def table(tmp_path):
    return str(textclass.write(tmp_path / "own.csv", textclass.rows()))


def work(name="call") -> Work:
    return Work(Streams((0, name)))


def samples(domain) -> Samples:
    ids = np.setdiff1d(domain.splits().pool, domain.splits().unlabelled)
    return Samples(ids, np.zeros(len(ids), bool), domain.human_labels(ids))


@pytest.mark.parametrize("kind", KINDS)
def test_encoders_of_several_kinds_are_fine_tuned_on_texts_and_on_pairs(tmp_path, table, kind):
    (tmp_path / kind).mkdir()
    folder = str(put(tmp_path / kind, kind))
    for columns in ({}, {"text2": "more"}):
        settings = SMALL | {"network": folder, "epochs": 1, "learning_rate": 1e-3, "columns": columns}
        domain = textclass.domain(tmp_path, path=table, **settings)
        domain.check(Demands())
        model = domain.fit(samples(domain), work("fit"))
        probabilities = domain.probabilities(model, domain.splits().test, work())
        again = domain.load("fit", domain.save("fit", model))
        assert np.array_equal(domain.probabilities(again, domain.splits().test, work()), probabilities)


def test_an_encoder_passes_the_kit(tmp_path, table, encoder):
    settings = SMALL | {"network": encoder, "epochs": 1, "learning_rate": 1e-3}
    assert len(check(TextClassDomain, data_directory=tmp_path, path=table, **settings)) == 5


def test_it_learns_which_words_tell_the_class(tmp_path, table, encoder):
    settings = SMALL | {"network": encoder, "epochs": 12, "learning_rate": 1e-2}
    domain = textclass.domain(tmp_path, path=table, **settings)
    model, ids = domain.fit(samples(domain), work("fit")), domain.splits().test
    given = domain.label(model, ids, "argmax", work())["target"]
    assert (given == domain.human_labels(ids)["target"]).mean() >= 0.9


def test_weights_of_the_encoder_are_those_on_disk_and_the_layer_of_classes_is_drawn(encoder, tmp_path):
    def built(seed):
        torch.manual_seed(seed)
        return Pretrained(encoder, 3, tmp_path).build().inner

    one, other = built(1), built(2)
    assert isinstance(one, BertForSequenceClassification)
    assert torch.equal(one.bert.embeddings.word_embeddings.weight, other.bert.embeddings.word_embeddings.weight)
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    assert torch.equal(one.classifier.weight, built(1).classifier.weight)
    assert one.classifier.out_features == 3


def test_a_classifier_of_other_classes_keeps_its_encoder(encoder, tmp_path):
    from transformers import AutoModelForSequenceClassification

    trained = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=5)
    (tmp_path / "five").mkdir()
    put(tmp_path / "five")
    trained.save_pretrained(tmp_path / "five")
    two = Pretrained(str(tmp_path / "five"), 2, tmp_path).build().inner
    assert two.classifier.out_features == 2
    assert torch.equal(two.bert.pooler.dense.weight, trained.bert.pooler.dense.weight)


def test_rows_are_given_to_the_library_as_it_has_them():
    torch.manual_seed(0)
    inner = BertForSequenceClassification(BertConfig(**SIZES, num_labels=3)).eval()
    ids = torch.tensor([[2, 5, 3, 7, 3], [2, 8, 3, 0, 0]])
    kinds = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
    real = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    expected = inner(input_ids=ids, attention_mask=real, token_type_ids=kinds).logits
    rows = torch.stack([ids, kinds], 1).masked_fill((real == 0)[:, None], -1)
    with torch.no_grad():
        torch.testing.assert_close(Classifier(inner, 0)(rows), expected)
        torch.testing.assert_close(Classifier(inner, 0)(rows[1:, :1, :3]), expected[1:])


def test_bert_base_has_the_published_number_of_parameters():
    with torch.device("meta"):
        network = Classifier(BertForSequenceClassification(BertConfig(num_labels=3)), 0)
    assert sum(parameter.numel() for parameter in network.parameters()) == 109_484_547


def test_a_network_that_is_not_there_is_named_with_its_command(tmp_path, table):
    domain = textclass.domain(tmp_path, path=table, **SMALL | {"network": "bert-base-uncased"})
    (need,) = domain.requirements()
    assert (need.name, need.kind, need.present) == ("bert-base-uncased", "weights", False)
    assert need.bytes == 440_449_768 + 570 + 231_508 + 466_062 + 48
    with pytest.raises(SomethingToFetch, match="biasloop fetch bert-base-uncased"):
        domain.check(Demands())
    with pytest.raises(InvalidInput, match="domain.network = 'bert-base': .* did you mean 'bert-base-uncased'"):
        textclass.domain(tmp_path, path=table, **SMALL | {"network": "bert-base"}).check(Demands())


def _settings(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda d: (d / "tokenizer.json").unlink(),
            "is not the directory of an encoder of texts: it lacks tokenizer.json",
        ),
        (lambda d: (d / "model.safetensors").rename(d / "pytorch_model.bin"), "are a pickle (pytorch_model.bin)"),
        (lambda d: _settings(d, pad_token_id=None), "has no pad_token_id"),
        (lambda d: _settings(d, max_position_embeddings=8), "domain.length is 12"),
        (lambda d: _settings(d, num_hidden_layers=10**9), "num_hidden_layers = 1000000000"),
    ],
)
def test_files_that_are_no_encoder_are_refused_before_they_are_loaded(tmp_path, table, encoder, spoil, message):
    spoil(tmp_path / "encoder")
    domain = textclass.domain(tmp_path, path=table, **SMALL | {"network": encoder})
    with pytest.raises(InvalidInput, match=re.escape(message)):
        domain.check(Demands())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "tokenizer.json").write_text("{"), "the tokenizer in .* cannot be read"),
        (lambda d: (d / "model.safetensors").write_bytes(b"x" * 200_000), "cannot be read as an encoder of texts"),
        (lambda d: _settings(d, num_hidden_layers=3), r"lack 16 arrays of the network .*, among them bert\.encoder"),
    ],
)
def test_files_that_do_not_read_are_named(tmp_path, table, encoder, spoil, message):
    spoil(tmp_path / "encoder")
    domain = textclass.domain(tmp_path, path=table, **SMALL | {"network": encoder})
    with pytest.raises(InvalidInput, match=message):
        domain.fit(samples(domain), work("fit"))


def test_it_is_known_before_a_fit_whether_an_encoder_has_dropout(tmp_path, table, encoder):
    assert textclass.domain(tmp_path, path=table, **{**textclass.SMALL, "network": encoder}).has_dropout()
    _settings(tmp_path / "encoder", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    assert not textclass.domain(tmp_path, path=table, **{**textclass.SMALL, "network": encoder}).has_dropout()
    _settings(tmp_path / "encoder", model_type="nothing")
    with pytest.raises(InvalidInput, match="cannot be read as an encoder of texts"):
        textclass.domain(tmp_path, path=table, **{**textclass.SMALL, "network": encoder}).has_dropout()


# --- as files of transformers


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_transformers_gives_a_written_classifiers_own_logits(tmp_path, table, kind, pairs):
    for name in ("encoder", "model"):
        (tmp_path / name).mkdir()
    settings = SMALL | {"path": table, "network": str(put(tmp_path / "encoder", kind)), "epochs": 1}
    domain = textclass.domain(tmp_path, **settings, **({"columns": {"text2": "more"}} if pairs else {}))
    model = domain.fit(samples(domain), work())
    ids = domain.splits().test[:6]
    own = domain._learner.logits(model, ids)
    written = domain.write_model(model, tmp_path / "model")
    assert (written.library, written.task) == ("transformers", "text-classification")
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    texts = [column.take(ids).strings() for column in domain._texts.columns]
    with torch.no_grad():
        logits = theirs(**tokenizer(*texts, truncation=True, padding=True, return_tensors="pt")).logits
    np.testing.assert_allclose(logits.numpy(), own, rtol=0, atol=1e-6)
    assert [theirs.config.id2label[number] for number in range(2)] == list(domain._texts.classes)
    assert str(tmp_path) not in (tmp_path / "model" / "config.json").read_text()


def test_the_built_in_network_is_refused_as_files_of_transformers(tmp_path, table):
    domain = textclass.domain(tmp_path, **SMALL | {"path": table, "epochs": 1})
    with pytest.raises(InvalidInput, match='domain.network = "small" is no network of transformers'):
        domain.write_model(domain.fit(samples(domain), work()), tmp_path)
