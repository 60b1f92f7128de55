"""The data sets of texts that have a name, with sizes and checksums of their files as published."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from biasloop.datasets.assets import Asset, remotes
from biasloop.datasets.real_toxicity import PROMPTS, examine
from biasloop.downloads import Remote


@dataclass(frozen=True, kw_only=True)
class TextDataset(Asset):
    """A published data set of texts.

    Attributes:
        rows: texts, or pairs of texts, as published.
    """

    rows: int


@dataclass(frozen=True, kw_only=True)
class LabelledDataset(TextDataset):
    """A published data set of texts, or pairs of texts, with classes: tables of tab-separated values in a zip archive.

    Attributes:
        texts: the column of texts, or the two of pairs.
        label: the column of classes.
        classes: names, by how the tables write them.
        parts: rows of each table, in the order of rows, by its path in the archive.
    """

    texts: tuple[str, ...]
    label: str
    classes: Mapping[str, str] = field(hash=False)
    parts: Mapping[str, int] = field(hash=False)


_RTP_ROWS = 99_442

# The prompts alone: their size is the one that the Hugging Face hub shows, their checksum is not published. The archive
# holds them too, but most of it is what five language models made of them; its size and checksum: TensorFlow Datasets'
# list for real_toxicity_prompts.
REALTOXICITYPROMPTS = TextDataset(
    name="realtoxicityprompts",
    summary="99,442 sentences from the web, cut in two: a prompt and its continuation",
    homepage="https://toxicdegeneration.allenai.org/",
    licence="Apache-2.0",
    citation=(
        "S. Gehman, S. Gururangan, M. Sap, Y. Choi, N. A. Smith (2020). RealToxicityPrompts: Evaluating Neural Toxic "
        "Degeneration in Language Models. Findings of EMNLP. arXiv:2009.11462."
    ),
    rows=_RTP_ROWS,
    remotes=(
        Remote(
            PROMPTS,
            ("https://huggingface.co/datasets/allenai/real-toxicity-prompts/resolve/main/prompts.jsonl",),
            67_700_000,
            examine=examine(_RTP_ROWS),
        ),
    ),
    archive=remotes(
        ("https://ai2-public-datasets.s3.amazonaws.com/realtoxicityprompts/",),
        (
            "realtoxicityprompts-data.tar.gz",
            3_715_984_281,
            "97e742e6d6f5bc35ba2f503ebcce4c846651005c97a50021c6b82e618db0be46",
        ),
    )[0],
)

SOTU = TextDataset(
    name="sotu",
    summary="46,382 sentences of State of the Union addresses, 1790 to 2021; comes with biasloop",
    homepage="https://github.com/stdlib-js/datasets-sotu",
    licence="public domain (works of the United States government)",
    citation="Presidents of the United States (1790-2021). State of the Union addresses.",
    rows=46_382,
    shipped=Path(__file__).parent / "embedded" / "sotu-sentences.tsv.gz",
)

_GLUE = ("https://dl.fbaipublicfiles.com/glue/data/",)
_WANG = (
    "A. Wang, A. Singh, J. Michael, F. Hill, O. Levy, S. R. Bowman (2019). GLUE: A Multi-Task Benchmark and Analysis "
    "Platform for Natural Language Understanding. ICLR. arXiv:1804.07461."
)

# Sizes, checksums and numbers of rows: the list of the data set "glue" on the Hugging Face hub.
MNLI = LabelledDataset(
    name="mnli",
    summary="412,349 pairs of sentences: does the first entail or contradict the second; train and both dev sets",
    homepage="https://cims.nyu.edu/~sbowman/multinli/",
    licence="OANC, CC BY-SA 3.0, CC BY 3.0 and public domain, by genre",
    citation=(
        "A. Williams, N. Nangia, S. R. Bowman (2018). A Broad-Coverage Challenge Corpus for Sentence Understanding "
        f"through Inference. NAACL. arXiv:1704.05426. {_WANG}"
    ),
    rows=412_349,
    texts=("sentence1", "sentence2"),
    label="gold_label",
    classes={name: name for name in ("entailment", "neutral", "contradiction")},
    parts={"MNLI/train.tsv": 392_702, "MNLI/dev_matched.tsv": 9_815, "MNLI/dev_mismatched.tsv": 9_832},
    remotes=remotes(
        _GLUE, ("MNLI.zip", 312_783_507, "e7c1d896d26ed6caf700110645df426cc2d8ebf02a5ab743d5a5c68ac1c83633")
    ),
)

QQP = LabelledDataset(
    name="qqp",
    summary="404,276 pairs of questions of Quora: do they ask the same; train and dev set of GLUE",
    homepage="https://quoradata.quora.com/First-Quora-Dataset-Release-Question-Pairs",
    licence="for non-commercial use, by Quora's terms of service",
    citation=f"S. Iyer, N. Dandekar, K. Csernai (2017). First Quora Dataset Release: Question Pairs. {_WANG}",
    rows=404_276,
    texts=("question1", "question2"),
    label="is_duplicate",
    classes={"0": "different", "1": "duplicate"},
    parts={"QQP/train.tsv": 363_846, "QQP/dev.tsv": 40_430},
    remotes=remotes(
        _GLUE, ("QQP-clean.zip", 41_696_084, "40e7c862c04eb26ee04b67fd900e76c45c6ba8e6d8fab4f8f1f8072a1a3fbae0")
    ),
)

SST2 = LabelledDataset(
    name="sst2",
    summary="68,221 phrases of film reviews: is their sentiment positive; train and dev set of GLUE",
    homepage="https://nlp.stanford.edu/sentiment/",
    licence="none stated; the publisher asks to cite the paper",
    citation=(
        "R. Socher, A. Perelygin, J. Wu, J. Chuang, C. Manning, A. Ng, C. Potts (2013). Recursive Deep Models for "
        f"Semantic Compositionality Over a Sentiment Treebank. EMNLP. {_WANG}"
    ),
    rows=68_221,
    texts=("sentence",),
    label="label",
    classes={"0": "negative", "1": "positive"},
    parts={"SST-2/train.tsv": 67_349, "SST-2/dev.tsv": 872},
    remotes=remotes(
        _GLUE, ("SST-2.zip", 7_439_277, "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa")
    ),
)

LABELLED: tuple[LabelledDataset, ...] = (MNLI, QQP, SST2)
DATASETS: tuple[TextDataset, ...] = (SOTU, REALTOXICITYPROMPTS, *LABELLED)
