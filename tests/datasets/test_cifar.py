import gzip
from dataclasses import replace

import numpy as np
import pytest
from support.archives import cifar10, cifar100, special, tar_gz, tiny

from biasloop.datasets import get
from biasloop.errors import DownloadError

TEN, HUNDRED = "cifar-10-binary.tar.gz", "cifar-100-binary.tar.gz"


def refused(tmp_path, name: str, content: bytes) -> str:
    """Why a data set with this archive is refused, in one sentence that names file and command."""
    made = tiny(name)
    (filename,) = made.files
    dataset = made.put(tmp_path, {filename: content})
    with pytest.raises(DownloadError) as error:
        dataset.load(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / name / filename} is damaged: ")
    assert message.endswith(f"; `biasloop fetch {name}` gets it anew")
    assert "\n" not in message
    return message


def members(name: str) -> dict[str, bytes]:
    made = tiny(name)
    if name == "cifar10":
        return cifar10(made.images, made.labels, 2)
    return cifar100(made.images, made.labels, made.dataset.classes, 10)


def test_the_published_sizes_of_members_follow_from_the_counts():
    """The home page: a CIFAR-10 batch is exactly 30,730,000 bytes."""
    from biasloop.datasets.cifar import _CIFAR10, _rows

    rows = _rows(get("cifar10"), _CIFAR10)
    assert {(part.stop - part.start) * (1 + 3072) for part in rows.values()} == {30_730_000}
    covered = np.concatenate([np.arange(part.start, part.stop) for part in rows.values()])
    assert np.array_equal(np.sort(covered), np.arange(60_000))


def test_channels_are_read_as_planes(tmp_path):
    """Image 0 red, image 1 green with a blue pixel in row 2, column 5; written byte by byte."""
    image = [bytearray(3072), bytearray(3072)]
    image[0][:1024] = b"\xff" * 1024
    image[1][1024:2048] = b"\xff" * 1024
    image[1][2048 + 2 * 32 + 5] = 9
    content = {name: bytes(3073 * (len(data) // 3073)) for name, data in members("cifar10").items()}
    content["cifar-10-batches-bin/data_batch_1.bin"] = b"\x03" + bytes(image[0]) + b"\x08" + bytes(image[1])
    loaded = tiny("cifar10").put(tmp_path, {TEN: tar_gz(content)}).load(tmp_path)
    assert (loaded.images[0] == [255, 0, 0]).all()
    assert loaded.images[1, 2, 5].tolist() == [0, 255, 9]
    assert loaded.images[1, 5, 2].tolist() == [0, 255, 0]
    assert [loaded.classes[label] for label in loaded.labels[:2]] == ["cat", "ship"]


def test_cifar100_takes_the_second_label_byte(tmp_path):
    content = members("cifar100")
    record = bytes([3, 42]) + bytes(3072)
    content["cifar-100-binary/test.bin"] = record * 3
    loaded = tiny("cifar100").put(tmp_path, {HUNDRED: tar_gz(content)}).load(tmp_path)
    assert loaded.labels[loaded.splits["test"]].tolist() == [42] * 3
    assert loaded.classes[42] == "leopard"


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_any_truncation_is_refused(tmp_path, name):
    (whole,) = tiny(name).files.values()
    for number, kept in enumerate([0, 5, 1000, len(whole) // 2, len(whole) - 9, len(whole) - 1]):
        assert "does not unpack" in refused(tmp_path / str(number), name, whole[:kept])


def test_a_wrong_gzip_checksum_is_refused_though_every_member_reads(tmp_path):
    (whole,) = tiny("cifar10").files.values()
    assert "CRC" in refused(tmp_path, "cifar10", whole[:-8] + b"\x00\x00\x00\x00" + whole[-4:])


@pytest.mark.parametrize(
    "junk", [b"", b"<html>no</html>", gzip.compress(b"no tar" * 1000, mtime=0), gzip.compress(b"", mtime=0)]
)
def test_no_archive_at_all(tmp_path, junk):
    refused(tmp_path, "cifar10", junk)


@pytest.mark.parametrize(
    ("name", "member"),
    [("cifar10", "cifar-10-batches-bin/data_batch_4.bin"), ("cifar100", "cifar-100-binary/test.bin")],
)
@pytest.mark.parametrize("change", ["short", "long", "gone", "elsewhere", "directory"])
def test_each_member_has_to_be_there_with_its_size(tmp_path, name, member, change):
    content = members(name)
    data = content.pop(member)
    message = f"it lacks {member}"
    if change in {"short", "long"}:
        content[member] = data[:-1] if change == "short" else data + b"\x00"
        message = f"{member} has {len(content[member]):,} bytes, expected {len(data):,}"
    elif change == "elsewhere":
        content[f"other/{member}"] = data
    elif change == "directory":
        content[member] = special(member, b"5")
        message = f"{member} has 0 bytes"
    assert message in refused(tmp_path, name, tar_gz(content))


def test_a_member_that_claims_its_size_but_is_a_link(tmp_path):
    content = members("cifar100")
    member = "cifar-100-binary/test.bin"
    link = special(member, b"2", "train.bin")
    link.size = len(content.pop(member))
    content[member] = link
    refused(tmp_path, "cifar100", tar_gz(content))


def test_a_label_out_of_range(tmp_path):
    content = members("cifar10")
    member = "cifar-10-batches-bin/data_batch_2.bin"
    content[member] = b"\x0a" + content[member][1:]
    assert "label 10 of image 0 is not a whole number from 0 to 9" in refused(tmp_path, "cifar10", tar_gz(content))


def test_names_in_another_order_are_refused_and_variants_are_not(tmp_path):
    member = "cifar-100-binary/fine_label_names.txt"
    content, classes = members("cifar100"), list(tiny("cifar100").dataset.classes)
    variant = [name.removesuffix("_tree").replace("keyboard", "computer_keyboard") for name in classes]
    content[member] = "\r\n".join(variant).encode()
    loaded = tiny("cifar100").put(tmp_path / "a", {HUNDRED: tar_gz(content)}).load(tmp_path / "a")
    assert loaded.classes == tuple(classes)
    classes[3], classes[4] = classes[4], classes[3]
    content[member] = "\n".join(classes).encode()
    assert "has beaver for bear" in refused(tmp_path / "b", "cifar100", tar_gz(content))
    content[member] = "\n".join(classes[:50]).encode()
    assert "fine_label_names.txt" in refused(tmp_path / "c", "cifar100", tar_gz(content))


def test_nothing_is_unpacked_to_disk(tmp_path):
    tiny("cifar10").put(tmp_path).load(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["cifar10", TEN]


def test_an_archive_that_is_not_there_any_more(tmp_path):
    dataset = tiny("cifar10").put(tmp_path)
    moved = replace(dataset, read=lambda d, where: dataset.read(d, where / "moved"))
    with pytest.raises(DownloadError, match=r"cannot read .*moved.*No such file"):
        moved.load(tmp_path)
