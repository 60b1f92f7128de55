"""Data sets and weights by name: what is known of them, fetching them, and what is said when they are not there."""

import json
from dataclasses import replace

import pytest
from support.archives import remote
from support.servers import serving

from biasloop import datasets
from biasloop.datasets import Asset, ImageDataset, TextDataset, all_assets, all_datasets, asset, fetch, get
from biasloop.downloads import Remote
from biasloop.errors import DownloadError, InvalidInput, SomethingToFetch

GPT2 = ("gpt2", "gpt2-medium", "gpt2-large")
GPT2_FILES = {"config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer.json"}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def tiny(name: str, url: str = "") -> tuple[Asset, dict[str, bytes]]:
    """A published model with other, short content in its files."""
    published = asset(name)
    files = {one.filename: f"{name} {one.filename}".encode() for one in published.remotes}
    return replace(published, remotes=tuple(remote(n, c, url + n) for n, c in files.items())), files


def files_of(name: str) -> dict[str, Remote]:
    return {one.filename: one for one in asset(name).remotes}


def test_everything_has_a_name_of_its_own_and_says_what_it_is():
    every = all_assets()
    assert len({one.name for one in every}) == len(every)
    assert set(all_datasets()) < set(every)
    for one in every:
        assert asset(one.name) is one
        assert all((one.summary, one.homepage.startswith("http"), one.licence, one.citation))
        assert [bool(one.remotes), bool(one.shipped), bool(one.asked)].count(True) == 1
        assert len({file.filename for file in one.remotes}) == len(one.remotes)
        for file in one.remotes:
            assert file.urls
            assert all(url.endswith("/" + file.filename) for url in file.urls)
            kinds = {"cifar5m": "", "imsitu": "", "realtoxicityprompts": "", "cinic10": "md5:"}  # what is published
            kind = kinds.get(one.name, "sha256:")
            assert file.checksum[: len(kind)] == kind
            assert bool(file.checksum) != bool(file.examine)


def test_images_are_still_got_as_such_and_models_are_none():
    assert all(isinstance(one, ImageDataset) for one in all_datasets())
    assert {one.kind for one in all_datasets()} == {"data"}
    assert asset("cifar10") is get("cifar10")
    with pytest.raises(InvalidInput, match="no data set of images is called 'gpt2'"):
        get("gpt2")
    with pytest.raises(InvalidInput, match=r"no data set or model is called 'gpt-2' .*did you mean 'gpt2'\?"):
        asset("gpt-2")


def test_texts():
    texts = [one for one in all_assets() if isinstance(one, TextDataset)]
    assert [(one.name, one.rows, one.kind) for one in texts] == [
        ("sotu", 46_382, "data"),
        ("realtoxicityprompts", 99_442, "data"),
        ("mnli", 412_349, "data"),
        ("qqp", 404_276, "data"),
        ("sst2", 68_221, "data"),
    ]


def test_sizes_of_gpt2_have_the_same_tokenizer_and_a_pinned_revision():
    sizes = [asset(name) for name in GPT2]
    assert [one.bytes for one in sizes] == sorted({one.bytes for one in sizes})
    for one in sizes:
        files = files_of(one.name)
        assert one.kind == "weights"
        assert files.keys() == GPT2_FILES
        revisions = {url.split("/")[6] for file in files.values() for url in file.urls}
        assert len(revisions) == 1
        assert len(revisions.pop()) == 40
        assert all(f"openai-community/{one.name}/resolve/" in url for file in files.values() for url in file.urls)
        for shared in ("vocab.json", "merges.txt", "tokenizer.json"):
            assert files[shared].checksum == files_of("gpt2")[shared].checksum


@pytest.mark.parametrize(("name", "width", "heads", "layers"), [
    ("gpt2", 768, 12, 12), ("gpt2-medium", 1024, 16, 24), ("gpt2-large", 1280, 20, 36),
])  # fmt: skip
def test_settings_of_gpt2_written_from_its_publication_have_the_pinned_checksum(name, width, heads, layers):
    """An oracle of the pinned numbers: sizes of the networks, in the form that the library wrote them in then."""
    settings = {
        "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
        "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": width, "n_head": heads,
        "n_layer": layers, "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": None,
        "summary_first_dropout": 0.1, "summary_proj_to_labels": True, "summary_type": "cls_index",
        "summary_use_proj": True, "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
        "vocab_size": 50257,
    }  # fmt: skip
    if name == "gpt2-medium":
        settings |= {"n_special": 0, "predict_special_tokens": True}
    written = json.dumps(settings, indent=2, sort_keys=True).encode()
    assert remote("config.json", written).checksum == files_of(name)["config.json"].checksum
    assert len(written) == files_of(name)["config.json"].size


@pytest.mark.parametrize(("name", "width", "layers"), [("gpt2-medium", 1024, 24), ("gpt2-large", 1280, 36)])
def test_weights_of_gpt2_have_the_size_that_follows_from_their_shapes(name, width, layers):
    """safetensors: 8 bytes, a JSON header, then the tensors, float32."""
    shapes = {"wte.weight": [50257, width], "wpe.weight": [1024, width], "ln_f.weight": [width], "ln_f.bias": [width]}
    block = {
        "ln_1": ([width], [width]), "attn.c_attn": ([width, 3 * width], [3 * width]),
        "attn.c_proj": ([width, width], [width]), "ln_2": ([width], [width]),
        "mlp.c_fc": ([width, 4 * width], [4 * width]), "mlp.c_proj": ([4 * width, width], [width]),
    }  # fmt: skip
    for layer in range(layers):
        shapes[f"h.{layer}.attn.bias"] = [1, 1, 1024, 1024]
        for part, (weight, bias) in block.items():
            shapes |= {f"h.{layer}.{part}.weight": weight, f"h.{layer}.{part}.bias": bias}
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for tensor, shape in sorted(shapes.items()):
        start = end
        end += 4
        for size in shape:
            end += (end - start) * (size - 1)
        header[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    header_bytes = len(json.dumps(header, separators=(",", ":")))
    assert files_of(name)["model.safetensors"].size == 8 + header_bytes + end


def test_the_checkpoint_of_detoxify_has_the_checksum_that_its_name_begins():
    files = files_of("detoxify-original")
    checkpoint = files.pop("toxic_original-c1212f89.ckpt")
    assert checkpoint.checksum.startswith("sha256:c1212f89")
    assert files.keys() == {"config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json"}
    assert all("bert-base-uncased/resolve/" in url for file in files.values() for url in file.urls)


@pytest.mark.parametrize("name", [*GPT2, "detoxify-original", "realtoxicityprompts"])
def test_fetch_then_require(tmp_path, name):
    told: list[tuple[int, int]] = []
    with serving(tiny(name)[1]) as server:
        made, files = tiny(name, server.url)
        assert not made.present(tmp_path)
        paths = fetch(made, tmp_path, progress=lambda *step: told.append(step))
        assert paths == [tmp_path / name / file for file in files]
        assert fetch(made, tmp_path) == []
        assert len(server.asked) == len(files)
    assert told[-1] == (made.bytes, made.bytes)
    assert made.require(tmp_path) == tmp_path / name
    assert {path.name: path.read_bytes() for path in paths} == files


def test_what_is_not_there_comes_with_its_command_and_size(tmp_path):
    with pytest.raises(SomethingToFetch) as error:
        asset("gpt2").require(tmp_path)
    assert f"model 'gpt2' is not in {tmp_path / 'gpt2'}; `biasloop fetch gpt2` gets it (551.0 MB)" in str(error.value)
    with pytest.raises(SomethingToFetch, match=r"data set 'realtoxicityprompts' .*\(67.7 MB\)"):
        asset("realtoxicityprompts").require(tmp_path)


def test_a_file_of_the_wrong_size_is_damaged(tmp_path):
    made, files = tiny("gpt2")
    made.directory(tmp_path).mkdir()
    for name, content in files.items():
        (made.directory(tmp_path) / name).write_bytes(content)
    assert made.present(tmp_path)
    (made.directory(tmp_path) / "merges.txt").write_bytes(b"short")
    assert not made.present(tmp_path)
    with pytest.raises(DownloadError, match=r"merges\.txt is damaged: it has 5 bytes, .*`biasloop fetch gpt2` gets"):
        made.require(tmp_path)


def test_another_content_is_refused_with_both_checksums(tmp_path):
    made, files = tiny("gpt2")
    changed = {**files, "config.json": files["config.json"][::-1]}
    with serving(changed) as server, pytest.raises(DownloadError) as error:
        fetch(made, tmp_path, server.url)
    assert remote("config.json", changed["config.json"]).checksum in str(error.value)
    assert remote("config.json", files["config.json"]).checksum in str(error.value)


def test_what_is_shipped_is_there_and_is_not_fetched(tmp_path):
    shipped = asset("sotu")
    assert shipped.bytes == 0
    assert shipped.present(tmp_path)
    assert fetch(shipped, tmp_path) == []
    assert not list(tmp_path.iterdir())
    lost = replace(shipped, shipped=tmp_path / "gone.gz")
    with pytest.raises(DownloadError, match=r"gone\.gz, which comes with biasloop, is not there; reinstall biasloop"):
        lost.require(tmp_path)


def test_the_package_offers_both_registries():
    assert {"asset", "all_assets", "get", "all_datasets", "names", "fetch"} <= set(datasets.__all__)


def test_what_its_publisher_hands_out_on_request_is_never_fetched(tmp_path):
    clothes = asset("clothing1m")
    assert not clothes.present(tmp_path)
    with pytest.raises(
        SomethingToFetch, match=r"lacks images, noisy_train_key_list.txt.*no public address: https://github"
    ):
        fetch(clothes, tmp_path)
    for name in clothes.asked.names:
        (tmp_path / "clothing1m" / name).mkdir(parents=True)
    assert clothes.present(tmp_path)
    assert fetch(clothes, tmp_path) == []


def test_bert_has_the_texts_of_its_tokenizer_at_the_same_revision_wherever_they_are_wanted():
    bert, detoxify = files_of("bert-base-uncased"), files_of("detoxify-original")
    shared = {"config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json"}
    assert bert.keys() == {*shared, "model.safetensors"}
    assert all(bert[name] == detoxify[name] for name in shared)
    assert asset("bert-base-uncased").kind == "weights"


def test_several_names_that_come_near_are_told():
    with pytest.raises(InvalidInput, match=r"did you mean 'cifar(5m|10)' or 'cifar(5m|10)'\?$"):
        asset("cifar")
    with pytest.raises(InvalidInput, match=r"did you mean 'cifar5m'\?$"):
        asset("cifar5")
