"""What the guard runs: a preset for each domain, and experiments that change some of its settings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import data

IMAGES = """
[domain]
name = "images"
data = "npz"
path = "pictures.npz"
network = "small-cnn"
width = 4
test = 40
epochs = 2
batch_size = 8
[loop]
start = 44
human = 4
model = 12
rounds = 3
"""

SHIPPED = IMAGES.replace('data = "npz"\npath = "pictures.npz"', 'data = "fashion-mnist-t10k"')

WEIGHTED = IMAGES.replace('name = "images"', 'name = "weighted-images"')

GENERATORS = """
[domain]
name = "generators"
data = "colored-npz"
path = "digits.npz"
images = 44
generator_epochs = 2
classifier_epochs = 2
generator_batch = 8
classifier_batch = 8
population = 40
[loop]
rule = "generations"
rounds = 3
"""

LANGUAGE = """
[domain]
name = "language"
data = "texts.jsonl"
network = "./network"
test = 16
new_tokens = 6
epochs = 2
batch_size = 8
learning_rate = 1e-3
scorers = ["lexicon"]
lexicon = { he = ["he", "his"], she = ["she", "her"] }
ratios = { gender = ["he", "she"] }
memorization = [2]
[loop]
start = 44
human = 3
model = 10
rounds = 3
"""

COMMAND = """
[domain]
name = "command"
data = "table.csv"
id = "name"
target = "class"
group = "sex"
test = 10
train = ["sh", "train.sh", "{train}", "{model}", "{seed}"]
predict = ["sh", "predict.sh", "{model}", "{input}", "{output}"]
[loop]
start = 20
human = 2
model = 5
rounds = 3
"""

TOY = """
[domain]
name = "toy"
[loop]
start = 100
human = 5
model = 20
rounds = 3
"""

Build = Callable[[Path], None]


@dataclass(frozen=True)
class Experiment:
    """One study.

    Attributes:
        name: of the experiment, and of its preset.
        preset: TOML.
        sets: what is set otherwise in every command.
        build: make the data in an empty directory.
        commands: more words for each command of `loop`, one after another, all into one directory.
        processes: how many share each command.
        heavy: whether it takes as long as all others together, so that it is run only where it is named.
    """

    name: str
    preset: str
    sets: tuple[str, ...] = ()
    build: tuple[Build, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ((),)
    processes: int = 1
    heavy: bool = False


def _images(name: str, *sets: str, build: Build = data.pictures, **more: object) -> Experiment:
    return Experiment(f"images-{name}", IMAGES, sets, (build,), **more)


def _generators(name: str, *sets: str, build: Build = data.digits, **more: object) -> Experiment:
    return Experiment(f"generators-{name}", GENERATORS, sets, (build,), **more)


def _language(name: str, *sets: str, **more: object) -> Experiment:
    return Experiment(f"language-{name}", LANGUAGE, sets, (data.texts, data.network), **more)


def _large(place: Path) -> None:
    data.digits(place, count=40, side=64)


def _some_unlabelled(place: Path) -> None:
    data.pictures(place, unlabelled=30)


EXTENDED = (("--set", "loop.rounds=2"), ())
ADAMW = ("domain.generator_optimizer=adamw", "domain.classifier_optimizer=adamw")
SGD = ("domain.generator_optimizer=sgd", "domain.generator_learning_rate=1e-5", "domain.loss=bce-sum")
LARGE = ("domain.images=11", "domain.generator_batch=2", "domain.classifier_batch=2", "domain.population=6")
# Enough to learn that samples are of several strata: of one alone, STAR has nothing to choose from.
LIVELY = ("domain.generator_learning_rate=0.01", "domain.generator_epochs=5", "domain.classifier_learning_rate=0.5",
          "domain.classifier_epochs=3")  # fmt: skip

EXPERIMENTS = [
    _images("plain"),
    _images("sampled", "loop.label_by=sample", "loop.snapshots=1", "loop.keep=subsample", "domain.schedule=triangle",
            "domain.warm_up=0.3", build=_some_unlabelled),
    _images("replaced", "loop.keep=replace", "loop.model=40", "domain.schedule=plateau", "domain.momentum=0",
            "domain.decay_norms=false", "domain.holdout=9"),
    Experiment("images-weighted", WEIGHTED, ("domain.schedule=constant", "loop.snapshots=2"), (data.pictures,)),
    _images("bfloat16", "domain.precision=bfloat16", "domain.network=baidunet9", "domain.schedule=steps",
            "domain.warm_up_whole_epochs=true", "domain.augment={padding = 2, flip = false, resized = true}"),
    _images("float16", "domain.precision=float16", "domain.nesterov=false", "domain.drop_last=true"),
    _images("released-baidunet9", "domain.precision=released", "domain.compat=released", "domain.network=baidunet9"),
    _images("released-resnet18", "domain.precision=released", "domain.compat=released", "domain.network=resnet18"),
    _images("cifar-resnet", "domain.network=cifar-resnet", "domain.depth=8", "domain.epochs_for=88",
            "domain.shape=[14, 14, 3]", "domain.pixel_mean=[0.4, 0.5, 0.3]", "domain.augment=false"),
    Experiment("images-fashion", SHIPPED, ("domain.network=fashion-resnet", "domain.test=60",
               'domain.imbalance={class = "shirt", factor = 9}')),
    _images("dropout", "domain.network=squeezenet1_1", "domain.shape=[32, 32, 3]", "domain.learning_rate=0.01"),
    _images("inverted", "domain.bias={epsilon = 20, swap = true}", "domain.warm_up=0.5"),
    _images("overlay", 'domain.bias={epsilon = 30, attribute = "overlay", eta = 40, tasks = [["0"], ["1"]], '
            'groups = [["2"], ["3"]]}', "loop.start=all", "loop.human=0", "loop.model=0", "loop.snapshots=1"),
    _images("folder", 'domain.data="folder"', 'domain.path="folder"', "domain.size=[9, 12]", "domain.test=20",
            build=data.folder),
    _images("extended", "loop.label_by=sample", commands=EXTENDED),
    _generators("plain"),
    _generators("mixed", "loop.synthetic=0.5", "loop.classifier_synthetic=0.25", "loop.labels=annotator",
                "domain.loss=bce-mean", *ADAMW),
    _generators("frozen", "loop.generator=frozen", "domain.precision=bfloat16", "domain.classifier_optimizer=adam"),
    _generators("star-both", "loop.star=both", "loop.star_budget=8", *LIVELY),
    _generators("star-single", "loop.star=classifier", "loop.star_refill=single", "loop.star_budget=4",
                "loop.star_ideal=[0.4, 0.1, 0.1, 0.4]", "domain.compat=released", "domain.generator_batch=12", *LIVELY),
    _generators("star-surplus", "loop.star=both", "loop.star_refill=surplus-first", "domain.match_samples=true",
                "loop.classifier_synthetic=0.75", *LIVELY),
    _generators("keep-all", "loop.keep=all", "loop.star=generator", "domain.loss=squared-mean"),
    _generators("keep-subsample", "loop.keep=subsample", "loop.star=classifier", "domain.freeze_norm=true", *SGD,
                "domain.classifier_steps=loader", "domain.generator_batch=12"),
    _generators("shared", "loop.rounds=2", commands=(("--grid", "loop.star=none,classifier"),)),
    _generators("svhn", "domain.generator=svhnvae", "domain.classifier=resnet20", "domain.loss=squared-sum",
                *LARGE, "domain.freeze_norm=true", "domain.classifier_learning_rate=1e-3", "loop.rounds=2",
                build=_large),
    _generators("faces", "domain.data=celeba", "domain.path=faces", "domain.images=11", "domain.generator=testvae",
                "domain.generator_epochs=1", "domain.generator_batch=11", "domain.classifier=resnet20",
                "domain.classifier_batch=2", "domain.mirror_evaluation=true", "domain.population=6", "loop.rounds=1",
                build=data.faces, heavy=True),  # one step of a network of 86 million weights
    _language("greedy", "domain.decoder=greedy", "loop.pretrained=true"),
    _language("nucleus", "domain.top_p=0.8", "loop.keep=subsample", "domain.accumulation=4"),
    _language("beam", "domain.decoder=beam", "domain.beams=3", "loop.keep=replace", "loop.model=40",
              "domain.generation_tokens=256"),
    _language("released", "domain.compat=released", "domain.decoder=beam", "domain.beams=3", "domain.accumulation=4",
              "domain.learning_rate=6e-3"),
    _language("released-nucleus", "domain.compat=released", "domain.accumulation=2", "domain.evaluation_batch=5",
              "domain.scorers=[\"lexicon\", \"toxicity-bilstm\"]"),
    _language("processes", "domain.decoder=greedy", "domain.accumulation=2", processes=2),
    _language("processes-released", "domain.compat=released", "domain.accumulation=2", processes=2),
    _language("csv", 'domain.data="texts.csv"', 'domain.corpus={prompt = "ask", continuation = "answer"}',
              "domain.learning_rate=5e-3", commands=EXTENDED),
    _language("small", "domain.data=sotu", "domain.corpus.from_year=2019", "domain.network=small",
              "domain.small={vocabulary = 300, layers = 1, width = 16, epochs = 2}"),
    Experiment("command-plain", COMMAND, (), (data.table,)),
    Experiment("command-sampled", COMMAND, ("loop.label_by=sample", "loop.keep=subsample"),
               (data.table,)),
    Experiment("toy-shares", TOY, ("loop.snapshots=1",)),
    Experiment("toy-bits", TOY, ("domain.labels=bits", "domain.unlabelled=30", "loop.keep=replace"),
               commands=EXTENDED),
]  # fmt: skip
