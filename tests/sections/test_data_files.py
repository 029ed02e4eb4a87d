"""Both sides of each twin of data files: the same batches, the same complaints."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from PIL import Image

from migrate_examples.data_files import in_pytorch, in_tensorflow


def assert_same_batches(theirs: Any, ours: Any) -> None:
    """Assert the same number of batches, of equal dtypes, shapes and values."""
    ours, theirs = list(ours), list(theirs)
    assert len(ours) == len(theirs) > 0
    for left, right in zip(ours, theirs, strict=True):
        for a, b in zip(left, right, strict=True):
            np.testing.assert_array_equal(np.asarray(b), np.asarray(a), strict=True)


@pytest.fixture
def image_folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Three classes of grey images, of unequal numbers and sizes."""
    for name, count in (("two", 2), ("three", 3), ("one", 1)):
        (tmp_path / name).mkdir()
        for number in range(9, 9 + count):  # 10.png comes before 9.png
            pixels = rng.integers(0, 256, size=(7 + number, 13), dtype="uint8")
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_image_batches(image_folder: Path) -> None:
    ours = list(in_tensorflow.image_batches(image_folder, (9, 11), 4))
    theirs = list(in_pytorch.image_batches(image_folder, (9, 11), 4))
    assert len(ours) == len(theirs) == 2
    for (x_tf, y_tf), (x_torch, y_torch) in zip(ours, theirs, strict=True):
        assert x_torch.dtype == torch.float32
        assert x_torch.shape[1:] == (3, 9, 11)
        # both interpolate in float32; the weights differ by a few roundings
        np.testing.assert_allclose(x_torch.permute(0, 2, 3, 1), x_tf, atol=2e-6)
        assert (y_tf.dtype, y_torch.dtype) == (tf.int32, torch.int64)
        np.testing.assert_array_equal(y_torch, y_tf)
    assert ours[0][1].numpy().tolist() == [0, 1, 1, 1]  # one, three, two


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_image_batches_name_what_is_empty(side: ModuleType, image_folder: Path) -> None:
    (image_folder / "four").mkdir()
    with pytest.raises(ValueError, match="nothing in four; add images or remove"):
        side.image_batches(image_folder, (9, 11), 4)
    with pytest.raises(ValueError, match="one: no subfolder; make one for each class"):
        side.image_batches(image_folder / "one", (9, 11), 4)


@pytest.fixture
def table(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A CSV file of seven rows, with quotes, commas and # in a column of text."""
    lines = ["width,species,height,is_#1"]
    for number in range(7):
        width, height = rng.normal(size=2)
        species = f"no.#{number}" if number % 2 else f'"no. #{number}, ""wild"""'
        lines.append(f"{width:.9g},{species},{height:.9g},{number}")
    path = tmp_path / "flowers.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_csv_batches(table: Path) -> None:
    ours = in_tensorflow.csv_batches(table, ["height", "width"], "is_#1", 3)
    theirs = in_pytorch.csv_batches(table, ["height", "width"], "is_#1", 3)
    assert_same_batches(theirs, ours)
    assert [y.tolist() for _, y in theirs] == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_csv_batches_name_the_missing_column(side: ModuleType, table: Path) -> None:
    with pytest.raises(
        ValueError, match=r"flowers\.csv: no column depth, age; .* width, species"
    ):
        side.csv_batches(table, ["width", "depth"], "age", 3)


def test_csv_batches_refuse_what_is_no_number(table: Path) -> None:
    with pytest.raises(ValueError, match=r"flowers\.csv.*no\. #0, .* at row 0"):
        in_pytorch.csv_batches(table, ["species"], "width", 3)
    ours = in_tensorflow.csv_batches(table, ["species"], "width", 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a valid float: no"):
        list(ours)


@pytest.fixture
def records(rng: np.random.Generator) -> list[bytes]:
    """Records of unequal length, an empty one among them."""
    return [rng.bytes(size) for size in (5, 0, 1, 3000)]


def test_write_records(tmp_path: Path, records: list[bytes]) -> None:
    in_tensorflow.write_records(tmp_path / "tf", records)
    in_pytorch.write_records(tmp_path / "torch", records)
    assert (tmp_path / "tf").read_bytes() == (tmp_path / "torch").read_bytes()


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_read_records(tmp_path: Path, records: list[bytes], side: ModuleType) -> None:
    other = in_pytorch if side is in_tensorflow else in_tensorflow
    other.write_records(tmp_path / "file", records)
    assert list(side.read_records(tmp_path / "file")) == records
    (tmp_path / "empty").write_bytes(b"")
    assert list(side.read_records(tmp_path / "empty")) == []


def end_of(read: Callable[[Path], Iterator[bytes]], path: Path) -> tuple[int, str]:
    """How many records were read, and the error that followed."""
    count = 0
    try:
        for _ in read(path):
            count += 1
    except ValueError as error:
        return count, str(error)
    return count, ""


def test_read_records_finds_every_cut(tmp_path: Path) -> None:
    path = tmp_path / "cut.tfrecord"
    in_tensorflow.write_records(path, [b"first", b"second"])
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        ours = end_of(in_tensorflow.read_records, path)
        assert end_of(in_pytorch.read_records, path) == ours
        assert ours[0] == (size >= 21)
        at = "1 at byte 21" if size > 21 else "0 at byte 0"
        expected = f"{path}, record {at}: file is cut off; fetch"
        assert ours[1].startswith(expected) != (size in {0, 21})


def test_read_records_finds_every_changed_byte(tmp_path: Path) -> None:
    path = tmp_path / "changed.tfrecord"
    in_tensorflow.write_records(path, [b"first", b"second"])
    whole = path.read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        ours = end_of(in_tensorflow.read_records, path)
        assert end_of(in_pytorch.read_records, path) == ours
        place = "1 at byte 21" if at >= 21 else "0 at byte 0"
        assert f"record {place}: wrong checksum; fetch" in ours[1]


def test_read_records_suggests_to_decompress(tmp_path: Path) -> None:
    path = tmp_path / "compressed.tfrecord"
    in_tensorflow.write_records(path, [bytes(99)])
    path.write_bytes(gzip.compress(path.read_bytes()))
    for side in (in_tensorflow, in_pytorch):
        with pytest.raises(ValueError, match=r"record 0 .* decompress it"):
            list(side.read_records(path))


def example(**features: Any) -> bytes:
    """Return a serialised tf.train.Example of lists of bytes, float or int."""
    message = tf.train.Example()
    for name, (kind, values) in features.items():
        getattr(message.features.feature[name], kind).value.extend(values)
    return bytes(message.SerializeToString())


def test_decode_example(rng: np.random.Generator) -> None:
    record = example(
        pixels=("bytes_list", [rng.bytes(40), b""]),
        weights=("float_list", rng.normal(size=7).tolist()),
        label=("int64_list", [-1, 2**40, 0]),
        nothing=("int64_list", []),
        größe=("float_list", [0.5]),
    )
    ours, theirs = (
        in_tensorflow.decode_example(record),
        in_pytorch.decode_example(record),
    )
    assert theirs == ours
    assert {n: len(v) for n, v in ours.items()} == {
        "pixels": 2, "weights": 7, "label": 3, "nothing": 0, "größe": 1
    }  # fmt: skip
    assert [type(v[0]) for _, v in sorted(theirs.items()) if v] == [
        type(v[0]) for _, v in sorted(ours.items()) if v
    ]


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_decode_example_refuses_other_bytes(side: ModuleType) -> None:
    from google.protobuf.message import DecodeError

    with pytest.raises(DecodeError):
        side.decode_example(b"no example")
    assert side.decode_example(b"") == {}


@pytest.fixture
def image_records(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Five images of 4 x 3 pixels with labels; a sixth has another size."""
    path = tmp_path / "images.tfrecord"
    in_tensorflow.write_records(
        path,
        (
            example(
                image=("bytes_list", [rng.bytes(size)]), label=("int64_list", [number])
            )
            for number, size in enumerate([12, 12, 12, 12, 12, 20])
        ),
    )
    return path


def test_record_batches(image_records: Path) -> None:
    ours = iter(in_tensorflow.record_batches(image_records, (4, 3, 1), 2))
    theirs = iter(in_pytorch.record_batches(image_records, (4, 3, 1), 2))
    for _ in range(2):
        assert_same_batches([next(theirs)], [next(ours)])
    with pytest.raises(tf.errors.InvalidArgumentError, match="20 values"):
        next(ours)
    with pytest.raises(
        ValueError, match=r"images\.tfrecord, record 5, .*size 20 into shape \(4,3,1\)"
    ):
        next(theirs)


def test_record_batches_name_the_missing_feature(tmp_path: Path) -> None:
    path = tmp_path / "images.tfrecord"
    in_tensorflow.write_records(path, [example(image=("bytes_list", [bytes(6)]))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="label"):
        list(in_tensorflow.record_batches(path, (2, 3), 1))
    with pytest.raises(ValueError, match=r"record 0, of \['image'\]: 'label'"):
        list(in_pytorch.record_batches(path, (2, 3), 1))
