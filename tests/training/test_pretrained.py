"""Networks of transformers from directories on disk."""

import pytest
import torch
from transformers import AutoModelForCausalLM, BertConfig, BertForSequenceClassification, BertModel
from transformers.utils import logging

from biasloop.errors import InvalidInput
from biasloop.training import pretrained

SHAPE = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
         "max_position_embeddings": 8}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    BertModel(BertConfig(**SHAPE)).save_pretrained(tmp_path)
    return tmp_path


def test_what_is_not_in_the_files_comes_from_the_generator_and_nothing_is_printed(folder, capfd):
    level = logging.get_verbosity()

    def head(seed):
        torch.manual_seed(seed)
        network, info = pretrained.read(BertForSequenceClassification, folder, "a network")
        assert info["missing_keys"] == {"classifier.weight", "classifier.bias"}
        return network.classifier.weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == level


def test_files_of_something_else_are_named(folder):
    (folder / "config.json").write_text('{"model_type": "nobody"}')
    with pytest.raises(InvalidInput, match="cannot be read as a language model"):
        pretrained.read(AutoModelForCausalLM, folder, "a language model")


def test_weights_that_are_lacking_or_no_numbers_are_named(folder):
    network, _ = pretrained.read(BertModel, folder, "a network")
    pretrained.check_finite(network, folder)
    pretrained.check_arrays(set(), folder)
    with pytest.raises(InvalidInput, match=r"lack 2 arrays of the network .*, among them a\.b; put the network's own"):
        pretrained.check_arrays({"b.c", "a.b"}, folder)
    with torch.no_grad():
        network.pooler.dense.bias[0] = torch.nan
    with pytest.raises(InvalidInput, match=r"are not all finite numbers, those of pooler\.dense\.bias for one"):
        pretrained.check_finite(network, folder)


def test_weights_do_not_stay_in_the_file(folder):
    network, _ = pretrained.read(BertModel, folder, "a network")
    before = [parameter.data_ptr() for parameter in network.parameters()]
    pretrained.detach_from_files(network)
    assert not set(before) & {parameter.data_ptr() for parameter in network.parameters()}
