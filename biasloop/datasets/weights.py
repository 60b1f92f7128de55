"""The models that have a name, with sizes and checksums of their files at a pinned revision.

The size of GPT-2 large's weights follows from their shapes and the safetensors format, which give the published size
of the medium ones, and that of ResNet-101 from what its file has more arrays than that of ResNet-50; all else is as
stated by those who fetched the same revisions.
"""

from biasloop.datasets.assets import Asset, remotes
from biasloop.downloads import Remote

_RADFORD = (
    "A. Radford, J. Wu, R. Child, D. Luan, D. Amodei, I. Sutskever (2019). Language Models are Unsupervised Multitask "
    "Learners. OpenAI."
)
_TOKENIZER = (  # the same files for all sizes of GPT-2
    ("vocab.json", 1_042_301, "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
    ("merges.txt", 456_318, "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
    ("tokenizer.json", 1_355_256, "8414cab924d8b9b33013f0d221c5862f365ee9be39c5c2bfae8a5a9e970478a6"),
)


def _hub(repository: str, revision: str, *files: tuple[str, int, str]) -> tuple[Remote, ...]:
    """Files (name, bytes, SHA-256) of one revision of a repository on the Hugging Face hub."""
    return remotes((f"https://huggingface.co/{repository}/resolve/{revision}/",), *files)


def _gpt2(name: str, parameters: str, revision: str, config: tuple[int, str], weights: tuple[int, str]) -> Asset:
    """A size of GPT-2; `config` and `weights` are (bytes, SHA-256)."""
    return Asset(
        name=name,
        kind="weights",
        summary=f"GPT-2 with {parameters} million parameters, and its tokenizer",
        homepage=f"https://huggingface.co/openai-community/{name}",
        licence="MIT (modified), OpenAI",
        citation=_RADFORD,
        remotes=_hub(
            f"openai-community/{name}",
            revision,
            ("config.json", *config),
            ("model.safetensors", *weights),
            *_TOKENIZER,
        ),
    )


_BERT_REVISION = "86b5e0934494bd15c9632b12f734a8a67f723594"
_BERT_TEXTS = (
    ("config.json", 570, "7160e1553ad2ca51d8c1cb066be533db31826e12d173824c1bb0cb1a4f187d20"),
    ("vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
    ("tokenizer.json", 466_062, "ce64fce797c24f68df90b40a3f74f579b336a493db14bd583fd520ea0d8c9a98"),
    ("tokenizer_config.json", 48, "a025160ef0431f1a392f6f050c1310f4c5d9fb6f275932dbccba73c4d214bf10"),
)
_DEVLIN = (
    "J. Devlin, M.-W. Chang, K. Lee, K. Toutanova (2019). BERT: Pre-training of Deep Bidirectional Transformers for "
    "Language Understanding. NAACL. arXiv:1810.04805."
)


def _resnet(depth: int, filename: str, size: int, sha256: str) -> Asset:
    """A residual network of torchvision, trained on ImageNet."""
    return Asset(
        name=f"resnet{depth}-imagenet",
        kind="weights",
        summary=f"ResNet-{depth} of torchvision, trained on ImageNet (IMAGENET1K_V1)",
        homepage=f"https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.resnet{depth}.html",
        licence="BSD-3-Clause (torchvision); ImageNet's terms for its images",
        citation="K. He, X. Zhang, S. Ren, J. Sun (2016). Deep Residual Learning for Image Recognition. CVPR.",
        remotes=remotes(("https://download.pytorch.org/models/",), (filename, size, sha256)),
    )


RESNET18 = _resnet(
    18, "resnet18-f37072fd.pth", 46_830_571, "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"
)
RESNET34 = _resnet(
    34, "resnet34-b627a593.pth", 87_319_819, "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f"
)
RESNET50 = _resnet(
    50, "resnet50-0676ba61.pth", 102_530_333, "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"
)
RESNET101 = _resnet(
    101, "resnet101-63fe2227.pth", 178_793_939, "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a"
)
MODELS: tuple[Asset, ...] = (
    RESNET18,
    RESNET34,
    RESNET50,
    RESNET101,
    _gpt2(
        "gpt2",
        "124",
        "607a30d783dfa663caf39e06633721c8d4cfcd7e",
        (665, "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4"),
        (548_105_171, "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707"),
    ),
    _gpt2(
        "gpt2-medium",
        "355",
        "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
        (718, "ef1a44d889ad1a0acc7731c78134f1b87d2d222f110e97dd10fd4117331caf22"),
        (1_519_984_962, "fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd"),
    ),
    _gpt2(
        "gpt2-large",
        "774",
        "32b71b12589c2f8d625668d2335a01cac3249519",
        (666, "7fccdcfd6622055342a734c663ee0b61ff4fd697f42467595df0bf4448c8c170"),
        (3_247_159_078, "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce"),
    ),
    Asset(
        name="detoxify-original",
        kind="weights",
        summary="the toxicity classifier Detoxify (original), and the tokenizer of bert-base-uncased",
        homepage="https://github.com/unitaryai/detoxify",
        licence="Apache-2.0 (Detoxify: Unitary; BERT: Google)",
        citation=(
            "L. Hanu, Unitary team (2020). Detoxify. J. Devlin, M.-W. Chang, K. Lee, K. Toutanova (2019). BERT: "
            "Pre-training of Deep Bidirectional Transformers for Language Understanding. NAACL."
        ),
        remotes=(
            *remotes(
                ("https://github.com/unitaryai/detoxify/releases/download/v0.1-alpha/",),
                (
                    "toxic_original-c1212f89.ckpt",
                    438_021_897,
                    "c1212f89ac23307ab33932ce29dc446a6e030fb3f384a500890bbe662b7b544a",
                ),
            ),
            *_hub("google-bert/bert-base-uncased", _BERT_REVISION, *_BERT_TEXTS),
        ),
    ),
    Asset(
        name="bert-base-uncased",
        kind="weights",
        summary="BERT base, lower case, 110 million parameters, and its tokenizer",
        homepage="https://huggingface.co/google-bert/bert-base-uncased",
        licence="Apache-2.0, Google",
        citation=_DEVLIN,
        remotes=_hub(
            "google-bert/bert-base-uncased",
            _BERT_REVISION,
            *_BERT_TEXTS,
            (
                "model.safetensors",
                440_449_768,
                "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
            ),
        ),
    ),
)
