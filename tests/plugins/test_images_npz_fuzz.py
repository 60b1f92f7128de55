"""Files that are nearly an `.npz`: used, or refused in a sentence, soon and in little memory."""

import io
import struct
import warnings
import zipfile

import numpy as np
import pytest
from support.fuzzing import damaged, flipped, trying

from biasloop.errors import BiasloopError
from biasloop_images.sources import check_classes
from biasloop_images.user_arrays import Npz

DRAWS = np.random.default_rng(5)
IMAGES = DRAWS.integers(0, 256, (12, 5, 4, 3), np.uint8)
LABELS = np.arange(12) % 3
NAMES = np.array(["a", "b", "c"])
DESCRIPTIONS = ["'|u1'", "'<i8'", "'>i8'", "'<u8'", "'<U3'", "'|O'", "'|V9'", "'<f4'", "[('a','<i4')]", "'|b1'", "5",
                "None", "'<M8[s]'", "'|S7'", "'<U0'", "('<i4',(3,))"]  # fmt: skip
SHAPES = ["(12,)", "(12,5,4,3)", "()", "(12,-1)", "(0,)", "(9999999999999999999,)", "(12,10**9)", "[12]", "(True,)",
          "(1000000000000,0)", "(2147483648,2147483648,4)", "(12.0,)", "((12,),)", "(12,5,4)"]  # fmt: skip


def saved(**arrays) -> list[bytes]:
    files = []
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, **arrays)
        files.append(stream.getvalue())
    return files


def any_of(values, draws):
    return values[int(draws.integers(0, len(values)))]


def member(name: str, array: np.ndarray, draws: np.random.Generator) -> bytes:
    """An array with a header that need not be its own."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    if draws.random() < 0.7:
        return stream.getvalue()
    order = any_of(["False", "True", "0"], draws)
    header = f"{{'descr': {any_of(DESCRIPTIONS, draws)}, 'fortran_order': {order}, 'shape': {any_of(SHAPES, draws)}, }}"
    text = damaged(header.encode(), draws) if draws.random() < 0.2 else header.encode()
    length = any_of([len(text)] * 6 + [0, 65535], draws)
    return b"\x93NUMPY\1\0" + struct.pack("<H", length) + text + array.tobytes()


def composed(draws: np.random.Generator) -> bytes:
    """An archive of the right names, whose arrays are of any kind."""
    stream = io.BytesIO()
    labels = LABELS.copy() if draws.random() < 0.5 else draws.integers(-3, any_of([4, 20, 2**40, 2**62], draws), 12)
    arrays = {"images": IMAGES, "labels": labels.astype(any_of(["<i8", ">i4", "u8", "i1"], draws)), "classes": NAMES}
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", any_of([0, 8, 12, 14], draws)) as archive:
        warnings.simplefilter("ignore")
        for name, array in arrays.items():
            for _ in range(int(draws.choice([0, 1, 1, 1, 1, 1, 1, 2]))):
                archive.writestr(f"{name}.npy", member(name, array, draws))
    return stream.getvalue()


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.slow)])
def test_nearly_right_npz_files_are_used_or_refused(tmp_path, count):
    draws, path = np.random.default_rng(20261128), tmp_path / "own.npz"
    files = [*saved(images=IMAGES, labels=LABELS), *saved(images=IMAGES[..., 0], labels=LABELS, classes=NAMES)]

    def read() -> None:
        images = Npz(path).read()
        check_classes(images, "own.npz")
        assert len(images.take(np.arange(len(images.labels)))) == len(images.labels)

    with trying(BiasloopError) as attempt:
        for number in range(count):
            content = composed(draws) if number % 3 == 2 else files[number % len(files)]
            change = (flipped, damaged, lambda content, _: content)[number % 3]
            path.write_bytes(change(content, draws))
            tries = attempt(read)
    assert tries.well > count / 50
    assert tries.refused > count / 4
