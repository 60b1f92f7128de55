"""The data sets of labelled images that have a name, with sizes and checksums of their files as published."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from biasloop.datasets.assets import Asset, Copy, Made, find, remotes
from biasloop.datasets.images import ImageDataset, Images, Opener, Part, Reader
from biasloop.downloads import Remote

_CLOTHES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot",
)  # fmt: skip
_DIGITS = tuple("0123456789")
_CIFAR10 = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100 = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle",
    "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear",
    "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon",
    "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail",
    "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip


def get(name: str) -> ImageDataset:
    """The data set of labelled images of that name.

    Raises:
        InvalidInput: if there is none.
    """
    return find(name, _DATASETS, "data set of images")


def names() -> tuple[str, ...]:
    """Names of all data sets of labelled images; the shipped one first."""
    return tuple(dataset.name for dataset in _DATASETS)


def all_datasets() -> tuple[ImageDataset, ...]:
    """All data sets of labelled images, in the order of `names`."""
    return _DATASETS


def _reader(module: str, function: str = "read") -> Reader:
    """The reader of a format; its module, and with it NumPy, is imported when it is used."""

    def read(dataset: ImageDataset, directory: Path) -> Iterator[Part]:
        reader: Reader = getattr(import_module(f"biasloop.datasets.{module}"), function)
        return reader(dataset, directory)

    return read


_ZALANDO = "https://github.com/zalandoresearch/fashion-mnist"
_TORONTO = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")
_CIFAR_LICENCE = "none stated; the publisher asks to cite the report"
_CIFAR_REPORT = "A. Krizhevsky (2009). Learning Multiple Layers of Features from Tiny Images. University of Toronto."
_XIAO = "H. Xiao, K. Rasul, R. Vollgraf (2017). Fashion-MNIST. arXiv:1708.07747."

# Channels of pixels scaled to 0 .. 1, as the published experiments normalise them (Taori & Hashimoto 2022, code).
_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
_CINIC_MEAN, _CINIC_STD = (0.47889522, 0.47227842, 0.43047404), (0.24205776, 0.23828046, 0.25874835)

_CIFAR5M_PART = 1_000_448  # images


def _parts(*numbers: int) -> tuple[Remote, ...]:
    """Parts of CIFAR-5m: neither their sizes nor checksums are published."""
    names = [f"part{number}.npz" for number in numbers]
    base = "https://storage.googleapis.com/gresearch/cifar5m/"
    return tuple(Remote(name, (base + name,), 3_081_000_000, examine=_is_part) for name in names)


def _is_part(path: Path) -> str | None:
    from biasloop.datasets.cifar5m import examine

    return examine(path, (_CIFAR5M_PART, 32, 32, 3))


def _build_cinic10(dataset: Asset, directory: Path, path: Path) -> None:
    from biasloop.datasets.cinic10 import build

    assert isinstance(dataset, ImageDataset)
    build(dataset, directory, path)


def _damage(path: Path) -> str | None:
    from biasloop.datasets.stored import why_damaged

    return why_damaged(path)


def _opener(module: str, function: str) -> Opener:
    """What opens files that are too large to be read whole; imported when it is used, as readers are."""

    def stream(dataset: ImageDataset, directory: Path) -> Images:
        opener: Opener = getattr(import_module(f"biasloop.datasets.{module}"), function)
        return opener(dataset, directory)

    return stream


_DATASETS = (
    ImageDataset(
        name="fashion-mnist-t10k",
        summary="the 10,000 test images of Fashion-MNIST; comes with biasloop",
        homepage=_ZALANDO,
        licence="MIT, Copyright 2017 Zalando SE",
        citation=_XIAO,
        classes=_CLOTHES,
        shape=(28, 28, 1),
        counts={"test": 10_000},
        read=_reader("embedded"),
        shipped=Path(__file__).parent / "embedded" / "fashion-mnist-t10k.npz",
    ),
    ImageDataset(
        name="fashion-mnist",
        summary="70,000 grey 28x28 images of ten kinds of clothing",
        homepage=_ZALANDO,
        licence="MIT, Copyright 2017 Zalando SE",
        citation=_XIAO,
        classes=_CLOTHES,
        shape=(28, 28, 1),
        counts={"train": 60_000, "test": 10_000},
        read=_reader("idx"),
        remotes=remotes(
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
            (
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
        # Debian's package dataset-fashion-mnist packs the same content again, so sizes and checksums differ.
        copy=Copy(
            Path("/usr/share/datasets/fashion-mnist"),
            remotes(
                (),
                (
                    "train-images-idx3-ubyte.gz",
                    26_421_856,
                    "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
                ),
                (
                    "train-labels-idx1-ubyte.gz",
                    29_491,
                    "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
                ),
                (
                    "t10k-images-idx3-ubyte.gz",
                    4_422_079,
                    "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
                ),
                (
                    "t10k-labels-idx1-ubyte.gz",
                    5_125,
                    "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
                ),
            ),
        ),
    ),
    ImageDataset(
        name="mnist",
        summary="70,000 grey 28x28 images of handwritten digits",
        homepage="http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0, Y. LeCun and C. Cortes",
        citation=(
            "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998). Gradient-based learning applied to document "
            "recognition. Proceedings of the IEEE 86(11)."
        ),
        classes=_DIGITS,
        shape=(28, 28, 1),
        counts={"train": 60_000, "test": 10_000},
        read=_reader("idx"),
        remotes=remotes(
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            (
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
    ImageDataset(
        name="cifar10",
        summary="60,000 colour 32x32 photographs of ten kinds of animals and vehicles",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence=_CIFAR_LICENCE,
        citation=_CIFAR_REPORT,
        classes=_CIFAR10,
        shape=(32, 32, 3),
        counts={"train": 50_000, "test": 10_000},
        mean=_CIFAR_MEAN,
        std=_CIFAR_STD,
        read=_reader("cifar", "read_cifar10"),
        remotes=remotes(
            _TORONTO,
            (
                "cifar-10-binary.tar.gz",
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
    ),
    ImageDataset(
        name="cifar100",
        summary="60,000 colour 32x32 photographs of a hundred kinds of things",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence=_CIFAR_LICENCE,
        citation=_CIFAR_REPORT,
        classes=_CIFAR100,
        shape=(32, 32, 3),
        counts={"train": 50_000, "test": 10_000},
        read=_reader("cifar", "read_cifar100"),
        remotes=remotes(
            _TORONTO,
            (
                "cifar-100-binary.tar.gz",
                168_513_733,
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            ),
        ),
    ),
    ImageDataset(
        name="svhn",
        summary="99,289 colour 32x32 images of digits of house numbers (train and test; not extra)",
        homepage="http://ufldl.stanford.edu/housenumbers/",
        licence="for non-commercial use only",
        citation=(
            "Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng (2011). Reading Digits in Natural "
            "Images with Unsupervised Feature Learning. NIPS Workshop on Deep Learning."
        ),
        classes=_DIGITS,
        shape=(32, 32, 3),
        counts={"train": 73_257, "test": 26_032},
        read=_reader("svhn"),
        remotes=remotes(
            ("http://ufldl.stanford.edu/housenumbers/",),
            (
                "train_32x32.mat",
                182_040_794,
                "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            ),
            (
                "test_32x32.mat",
                64_275_384,
                "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            ),
        ),
    ),
    ImageDataset(
        name="cifar5m",
        summary="3,001,344 synthetic colour 32x32 images like CIFAR-10's: three of the six parts of CIFAR-5m",
        homepage="https://github.com/preetum/cifar5m",
        licence="none stated; the publisher asks to cite the paper",
        citation=(
            "P. Nakkiran, B. Neyshabur, H. Sedghi (2021). The Deep Bootstrap Framework: Good Online Learners are Good "
            "Offline Generalizers. ICLR. arXiv:2010.08127."
        ),
        classes=_CIFAR10,
        shape=(32, 32, 3),
        counts={"part0": _CIFAR5M_PART, "part1": _CIFAR5M_PART, "part2": _CIFAR5M_PART},
        stream=_opener("cifar5m", "open_parts"),
        mean=_CIFAR_MEAN,
        std=_CIFAR_STD,
        remotes=_parts(0, 1, 2),
    ),
    ImageDataset(
        name="cinic10",
        summary="270,000 colour 32x32 photographs of CIFAR-10's kinds, most of them from ImageNet",
        homepage="https://github.com/BayesWatch/cinic-10",
        licence="CC BY 4.0",
        citation=(
            "L. N. Darlow, E. J. Crowley, A. Antoniou, A. J. Storkey (2018). CINIC-10 is not ImageNet or CIFAR-10. "
            "arXiv:1810.03505."
        ),
        classes=_CIFAR10,
        shape=(32, 32, 3),
        counts={"train": 90_000, "valid": 90_000, "test": 90_000},
        stream=_opener("cinic10", "open_made"),
        mean=_CINIC_MEAN,
        std=_CINIC_STD,
        # Size and checksum: as stated by those who fetched it; the publisher gives neither.
        remotes=(
            Remote(
                "CINIC-10.tar.gz",
                (
                    "https://datashare.is.ed.ac.uk/bitstream/handle/10283/3192/CINIC-10.tar.gz",
                    "https://datashare.ed.ac.uk/bitstream/handle/10283/3192/CINIC-10.tar.gz",
                ),
                687_544_992,
                "md5:6ee4d0c996905fe93221de577967a372",
            ),
        ),
        made=Made("cinic10.h5", 832_000_000, _build_cinic10, _damage),
    ),
)
