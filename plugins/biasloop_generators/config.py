"""What the `[domain]` table of a preset may say."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from biasloop.training.recipe import Kind
from biasloop_generators.kinds import LossName

# Settings that images, labels and groups do not depend on; one that is not named here is taken to matter.
TRAINING = frozenset({
    "generator", "classifier", "latent", "loss", "generator_epochs", "classifier_epochs", "generator_batch",
    "classifier_batch", "generator_optimizer", "classifier_optimizer", "generator_learning_rate",
    "classifier_learning_rate", "generator_weight_decay", "classifier_weight_decay", "classifier_steps",
    "match_samples", "freeze_norm", "mirror_evaluation", "evaluate_on", "population", "precision", "evaluation_batch",
})  # fmt: skip
Share = Annotated[float, Field(ge=0, le=1)]


class Config(BaseModel):
    """Settings of the domain "generators"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, serialize_by_alias=True, defer_build=True)

    data: str = Field(
        "colored-fashion",
        description='"colored-fashion" (comes with biasloop), "colored-mnist", "colored-svhn"; or, of your own files '
        '(see path), "colored-npz", "celeba", "fairface".',
    )
    path: str | None = Field(
        None,
        description='Of data = "colored-npz" the file (images, labels), of "celeba" and "fairface" the folder with the '
        "published files.",
    )
    images: int | None = Field(None, ge=1, description="Training images used, the first ones; without it all.")
    test_bias: Literal["balanced", "as-released"] | None = Field(
        None,
        description='Colours of coloured test images: "balanced", each with probability 1/2, or "as-released", with '
        "the probabilities of the training set where the released data have them; without it as compat says.",
    )
    threshold: int = Field(5, ge=0, le=9, description="Of coloured data: classes from it on have label 1.")
    green: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        [0.3, 0.7], description="Of coloured data: probability of green (group 0), given label 0 and label 1."
    )
    noise: Share = Field(0.05, description="Of coloured data: share of labels that are wrong.")
    coloring_seed: int | None = Field(
        None, ge=0, lt=2**32, description="Seed of label noise and colours; without it the run's, or as compat says."
    )
    generator: str = Field("vae", min_length=1, description='"vae", "svhnvae", "celebavae" or "testvae".')
    classifier: str = Field(
        "SimpleCNN",
        min_length=1,
        description='Of classifiers and annotators: "SimpleCNN", "lenet", or "resnet20", 32, 44, 56, 110.',
    )
    latent: int | None = Field(None, ge=1, description="Size of the latent space, which must be the generator's.")
    loss: Literal["published"] | LossName = Field(
        "published", description='Of generators: "published" is the one of the data set.'
    )
    generator_epochs: int = Field(30, ge=1, description="Passes of a generator over as many images as are real.")
    classifier_epochs: int = Field(30, ge=1, description="Passes of a classifier, and of an annotator, likewise.")
    generator_batch: int = Field(256, ge=1, description="Images a step of a generator.")
    classifier_batch: int = Field(256, ge=1, description="Images a step of a classifier.")
    generator_optimizer: Literal["published"] | Kind = Field(
        "published", description='Of generators: "published" is the one of the data set.'
    )
    classifier_optimizer: Literal["published"] | Kind = Field(
        "sgd", description="Of classifiers and annotators, likewise; SGD has no momentum."
    )
    generator_learning_rate: float | None = Field(
        None, gt=0, description="Without it 0.001, with CelebA 0.0001; of SGD 0.1."
    )
    classifier_learning_rate: float | None = Field(None, gt=0, description="Without it 0.1 of SGD, else as generators.")
    generator_weight_decay: float | None = Field(
        None, ge=0, description="Without it 1e-5 of Adam (0 with CelebA), 0.01 of AdamW, 0 of SGD."
    )
    classifier_weight_decay: float | None = Field(None, ge=0, description="Likewise.")
    classifier_steps: Literal["own", "loader"] | None = Field(
        None,
        description='Steps of an epoch of classifiers: "own", by classifier_batch; "loader", by generator_batch, which '
        "is then also the batch size where no reparation is done; without it as compat says.",
    )
    match_samples: bool = Field(
        False,
        description="Give classifiers with STAR as many images an epoch as without, one for each real image: as many "
        "steps of classifier_batch as that takes, the last with what is left. Without it their last batch is full, and "
        'with classifier_steps "loader" they see generator_batch / classifier_batch times fewer.',
    )
    freeze_norm: bool | None = Field(
        None,
        description="Train classifiers and annotators with frozen batch statistics after their first epoch; without it "
        "as compat says.",
    )
    mirror_evaluation: bool | None = Field(
        None, description="Mirror half of the images of celeba at evaluation too; without it as compat says."
    )
    evaluate_on: Literal["test", "valid", "both"] = Field(
        "both", description="Real images that classifiers are put to."
    )
    population: int = Field(10_000, ge=1, description="Generated images that the population is measured on.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "float32", description='Of training; "auto" is float32 on CPUs and bfloat16 on GPUs.'
    )
    evaluation_batch: int = Field(500, ge=1, description="Images a batch when evaluating.")
    compat: Literal["fixed", "released"] = Field(
        "fixed",
        description='"released": as-released colours, with seed 0 in all runs, of colored-svhn with the seed of the '
        "run and its test images drawn from that seed anew; steps of the loader, frozen batch statistics, mirrored "
        "evaluation, arguments of optimisers ignored, as in the published code. Not to be had: the random numbers of "
        "networks and batches, and what only a resumed run did, which went on with real images.",
    )

    def effective(self) -> dict[str, object]:
        """What settings that are left open, or "published", come to, and those that compat overrides."""
        from biasloop_generators.recipes import effective

        return effective(self)

    @property
    def released(self) -> bool:
        """Whether what is not set by itself is as in the published code."""
        return self.compat == "released"

    @property
    def bias_of_test(self) -> Literal["balanced", "as-released"]:
        """`test_bias`, as compat says unless set."""
        return self.test_bias or ("as-released" if self.released else "balanced")

    @property
    def loader_steps(self) -> bool:
        """Whether classifiers take the steps of the generator's loader, as compat says unless set."""
        return self.released if self.classifier_steps is None else self.classifier_steps == "loader"

    @property
    def frozen_norm(self) -> bool:
        """`freeze_norm`, as compat says unless set."""
        return self.released if self.freeze_norm is None else self.freeze_norm

    @property
    def mirrored_evaluation(self) -> bool:
        """`mirror_evaluation`, as compat says unless set."""
        return self.released if self.mirror_evaluation is None else self.mirror_evaluation
