"""The data sets of texts that have a name, with sizes and checksums of their files as published."""

from dataclasses import dataclass
from pathlib import Path

from biasloop.datasets.assets import Asset, remotes


@dataclass(frozen=True, kw_only=True)
class TextDataset(Asset):
    """A published data set of texts.

    Attributes:
        rows: texts, or pairs of texts, as published.
    """

    rows: int


# Size and checksum: TensorFlow Datasets' list for real_toxicity_prompts. The prompts are a small part of the
# archive; the rest is what five language models made of them.
REALTOXICITYPROMPTS = TextDataset(
    name="realtoxicityprompts",
    summary="99,442 sentences from the web, cut in two: a prompt and its continuation",
    homepage="https://toxicdegeneration.allenai.org/",
    licence="Apache-2.0",
    citation=(
        "S. Gehman, S. Gururangan, M. Sap, Y. Choi, N. A. Smith (2020). RealToxicityPrompts: Evaluating Neural Toxic "
        "Degeneration in Language Models. Findings of EMNLP. arXiv:2009.11462."
    ),
    rows=99_442,
    remotes=remotes(
        ("https://ai2-public-datasets.s3.amazonaws.com/realtoxicityprompts/",),
        (
            "realtoxicityprompts-data.tar.gz",
            3_715_984_281,
            "97e742e6d6f5bc35ba2f503ebcce4c846651005c97a50021c6b82e618db0be46",
        ),
    ),
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

DATASETS: tuple[TextDataset, ...] = (SOTU, REALTOXICITYPROMPTS)
