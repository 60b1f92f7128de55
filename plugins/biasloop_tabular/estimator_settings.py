"""Settings of the estimators, by scikit-learn's own names; what is not named here is as scikit-learn has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, serialize_by_alias=True, defer_build=True)


class Logistic(BaseModel):
    """`LogisticRegression` with an L2 penalty, solved by L-BFGS."""

    model_config = STRICT

    C: float = Field(1.0, gt=0, description="Inverse of the strength of the L2 penalty: smaller is stronger.")
    max_iter: int = Field(1000, ge=1, description="Iterations at most; a fit that needs more says so.")


class GradientBoosting(BaseModel):
    """`HistGradientBoostingClassifier` without early stopping."""

    model_config = STRICT

    learning_rate: float = Field(0.1, gt=0, description="Factor of what each tree adds.")
    max_iter: int = Field(100, ge=1, le=100_000, description="Trees, a class where there are more than two.")
    max_leaf_nodes: int = Field(31, ge=2, description="Leaves of a tree at most.")
    max_depth: int | None = Field(None, ge=1, description="Depth of a tree at most; without it leaves alone limit it.")
    min_samples_leaf: int = Field(20, ge=1, description="Rows in a leaf at least.")
    l2_regularization: float = Field(0.0, ge=0, description="Penalty of the leaves' values.")


class RandomForest(BaseModel):
    """`RandomForestClassifier`."""

    model_config = STRICT

    n_estimators: int = Field(100, ge=1, le=100_000, description="Trees.")
    max_depth: int | None = Field(None, ge=1, description="Depth of a tree at most; without it trees are grown out.")
    min_samples_leaf: int = Field(1, ge=1, description="Rows in a leaf at least.")
    max_features: Annotated[float, Field(gt=0, le=1)] | Literal["sqrt", "log2"] = Field(
        "sqrt", description="Inputs that a split is chosen among: their square root, log2, or a share."
    )


class DecisionTree(BaseModel):
    """`DecisionTreeClassifier`."""

    model_config = STRICT

    criterion: Literal["gini", "entropy"] = Field("gini", description="What a split is to make small.")
    max_depth: int | None = Field(None, ge=1, description="Depth at most; without it the tree is grown out.")
    min_samples_leaf: int = Field(1, ge=1, description="Rows in a leaf at least.")
    ccp_alpha: float = Field(0.0, ge=0, description="Cost of a leaf by which the tree is pruned.")


class NaiveBayes(BaseModel):
    """`GaussianNB` for numbers and `CategoricalNB` for categories, as one model."""

    model_config = STRICT

    var_smoothing: float = Field(
        1e-9, ge=0, description="Added to the variances of numbers, as a share of the largest."
    )
    alpha: float = Field(1.0, ge=1e-10, description="Added to the count of every category.")
