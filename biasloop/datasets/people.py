"""Tables of people that come with biasloop."""

from pathlib import Path

from biasloop.datasets.assets import Asset

ADULT = Asset(
    name="adult",
    summary="48,842 people of the US census of 1994 and whether their income is above $50K; comes with biasloop",
    homepage="https://archive.ics.uci.edu/dataset/2/adult",
    licence="CC BY 4.0",
    citation=(
        "B. Becker, R. Kohavi (1996). Adult. UCI Machine Learning Repository. doi:10.24432/C5XW20. R. Kohavi (1996). "
        "Scaling Up the Accuracy of Naive-Bayes Classifiers: a Decision-Tree Hybrid. KDD."
    ),
    shipped=Path(__file__).parent / "embedded" / "adult.parquet",
)
