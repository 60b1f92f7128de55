"""What the `[domain]` table of a preset may say."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from biasloop.contract import names
from biasloop_tabular.estimator_settings import (
    STRICT,
    DecisionTree,
    GradientBoosting,
    Logistic,
    NaiveBayes,
    RandomForest,
)

FILE, ADULT = "file", "adult"
LOGISTIC, BOOSTING, FOREST, TREE, BAYES = (
    "logistic", "gradient-boosting", "random-forest", "decision-tree", "naive-bayes",
)  # fmt: skip
EXTRA = "biasloop[tabular]"
_TABLES = ("logistic", "gradient_boosting", "random_forest", "decision_tree", "naive_bayes")
# Settings that neither the table nor splits depend on; one that is not named here is taken to matter.
TRAINING = frozenset({"estimator", "class_weight", "follow", "intersections", *_TABLES})
DRAWN = frozenset({names.TEST, "holdout"})
_TEST = 1000  # rows


def _as_name(value: object) -> object:
    """A class that is called by a number, which `--set` and TOML read as one."""
    return value if isinstance(value, bool) or not isinstance(value, int) else str(value)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Name = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Name], BeforeValidator(_as_list)]
ClassName = Annotated[str, BeforeValidator(_as_name), Field(min_length=1)]
Edges = Annotated[list[float], Field(min_length=1)]


@dataclass(frozen=True)
class Roles:
    """Which column of the table is what; all others are features."""

    outcome: str
    sensitive: tuple[str, ...]
    ignored: tuple[str, ...]
    id: str | None
    split: str | None

    @property
    def named(self) -> list[str]:
        """All columns that are no features."""
        alone = [name for name in (self.id, self.split) if name is not None]
        return [self.outcome, *self.sensitive, *self.ignored, *alone]


class Config(BaseModel):
    """Settings of the domain "tabular"."""

    model_config = STRICT

    data: Literal["adult", "file"] = Field(
        "adult",
        description='"adult": income above $50K of 48,842 people of the US census of 1994 (comes with biasloop); '
        '"file": a table of your own (see path).',
    )
    path: str | None = Field(
        None, description='Of data = "file": a .csv, .tsv, .jsonl, .json or .parquet file with a row a person.'
    )
    outcome: Name | None = Field(
        None, description='Of data = "file": the column to predict; a row without one only a model can label.'
    )
    sensitive: Names | None = Field(
        None, description='Columns of groups to compare, every row with a value; of "adult" sex and race unless set.'
    )
    use_sensitive: bool = Field(False, description="Give the sensitive columns to the models, as features.")
    ignore: Annotated[list[str], BeforeValidator(_as_list)] | None = Field(
        None, description='Columns that are not read; of "adult" fnlwgt unless set.'
    )
    id: Name | None = Field(
        None, description='Of data = "file": a column of different ids, for what is written; no feature.'
    )
    split: Name | None = Field(
        None,
        description='Of data = "file": the column that says what each row is for: "train", "test", "holdout" or '
        '"unlabelled"; no feature.',
    )
    categorical: Names = Field(
        default_factory=list, description="Columns of numbers that are codes, such as a postal code: each a category."
    )
    missing: list[Name] = Field(
        default_factory=list, description='Words that stand for no value, such as "?"; besides NA, null and the like.'
    )
    bins: dict[Name, Edges] = Field(
        default_factory=dict,
        description="Ascending edges that make groups, or classes, of a column of numbers: age = [25, 60] makes "
        '"under-25", "25-to-60" (without 60) and "60-and-over".',
    )
    most_categories: int = Field(
        200, ge=2, description="A column with more different words than this is refused: an id, or a text."
    )
    classes: list[ClassName] | None = Field(
        None,
        min_length=2,
        description='Of data = "file": names of the classes; without it those in the data, by the alphabet.',
    )
    follow: ClassName | None = Field(
        None,
        description="The class whose share, bias and fairness are measured; of two classes the second unless set.",
    )
    intersections: bool = Field(
        True, description="Also compare the groups that several sensitive columns make together."
    )
    test: Annotated[int, Field(ge=1)] | Literal["published"] | None = Field(
        None, description='Rows of the test set, 1,000 unless set or in `split`; "published": those of "adult".'
    )
    holdout: int = Field(0, ge=0, description="Rows kept out of both the test set and the pool, where they are drawn.")
    estimator: Literal["logistic", "gradient-boosting", "random-forest", "decision-tree", "naive-bayes"] = Field(
        "logistic", description="Of scikit-learn; its settings are in the table of this name."
    )
    class_weight: Literal["none", "balanced"] = Field(
        "none", description='Of rows in a fit: "balanced" gives every class of the training set the same weight.'
    )
    logistic: Logistic = Field(default_factory=Logistic)
    gradient_boosting: GradientBoosting = Field(default_factory=GradientBoosting, alias=BOOSTING)
    random_forest: RandomForest = Field(default_factory=RandomForest, alias=FOREST)
    decision_tree: DecisionTree = Field(default_factory=DecisionTree, alias=TREE)
    naive_bayes: NaiveBayes = Field(default_factory=NaiveBayes, alias=BAYES)

    def effective(self) -> dict[str, object]:
        """What settings that are left open come to."""
        told: dict[str, object] = {} if self.split or self.test is not None else {names.TEST: _TEST}
        if self.data == ADULT:
            roles = self.roles
            told |= {"outcome": roles.outcome} if self.outcome is None else {}
            told |= {"sensitive": [*roles.sensitive]} if self.sensitive is None else {}
            told |= {"ignore": [*roles.ignored]} if self.ignore is None else {}
        return told

    @property
    def roles(self) -> Roles:
        """Which column is what, with those of "adult" filled in."""
        if self.data == ADULT:
            sensitive = ["sex", "race"] if self.sensitive is None else self.sensitive
            ignored = ["fnlwgt"] if self.ignore is None else self.ignore
            return Roles("income", tuple(sensitive), tuple(ignored), None, None)
        assert self.outcome is not None
        return Roles(self.outcome, tuple(self.sensitive or ()), tuple(self.ignore or ()), self.id, self.split)

    @property
    def test_rows(self) -> int:
        """How many rows the test set has, where it is drawn."""
        return self.test if isinstance(self.test, int) else _TEST

    @property
    def groups(self) -> dict[str, str]:
        """What each sensitive column is called in a run's tables."""
        columns = self.roles.sensitive
        return {name: names.GROUP if len(columns) == 1 else f"{names.GROUP_OF}{name}" for name in columns}

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_source()
        named = self.roles.named
        double = sorted({name for name in named if named.count(name) > 1})
        if double:
            raise ValueError(
                f"the column {double[0]!r} is named twice among `outcome`, `sensitive`, `ignore`, `id` and `split`"
            )
        if any("/" in name or "\0" in name for name in self.roles.sensitive):
            raise ValueError("the name of a column in `sensitive` cannot have a '/'; rename it")
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ValueError("`classes` names a class twice")
        for name, edges in self.bins.items():
            if name not in (self.roles.outcome, *self.roles.sensitive):
                raise ValueError(f"`bins` has {name!r}, which is neither `outcome` nor in `sensitive`")
            if any(not low < high for low, high in pairwise(edges)) or not all(map(_is_finite, edges)):
                raise ValueError(f"the edges of {name!r} in `bins` have to be finite and ascending")
        return self

    def _check_source(self) -> None:
        if self.data == FILE:
            lacking = [key for key in ("path", "outcome") if getattr(self, key) is None]
            if lacking:
                raise ValueError(f'data = "file" needs {" and ".join(lacking)}')
            if self.test == "published":
                raise ValueError('test = "published" is of "adult"; of your own data `split` says what each row is for')
            if self.split is not None and (self.test is not None or self.holdout):
                raise ValueError("`split` says what each row is for; `test` and `holdout` are for data without it")
            return
        for key in ("path", "outcome", "id", "split", names.CLASSES):
            if getattr(self, key) is not None:
                raise ValueError(f'`{key}` is of data = "file", and data is {self.data!r}')


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")
