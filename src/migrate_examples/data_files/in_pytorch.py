"""Files of data in PyTorch: readers behind a dataset."""

import csv
import itertools
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import crc32c
import numpy as np
import torch
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    TensorDataset,
)
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2


def image_batches(
    folder: Path, image_size: tuple[int, int], batch_size: int
) -> DataLoader[Any]:
    """Images of a folder that has one subfolder for each class.

    Classes are numbered, and files read, in alphabetical order.

    Parameters
    ----------
    folder : Path
        ``folder/class/file.png``.
    image_size : tuple of int
        Height and width; bilinear, without antialiasing.
    batch_size : int
        Images in a batch; the last one may have fewer.

    Returns
    -------
    DataLoader
        Pairs of images (batch, 3, height, width), float32 from
        0 to 1, and classes (batch,), int64.

    Raises
    ------
    ValueError
        Where there is no class, or a class without a file.

    Examples
    --------
    >>> import tempfile
    >>> image_batches(Path(tempfile.mkdtemp()), (8, 8), 2)
    Traceback (most recent call last):
    ValueError: ...: no subfolder; make one for each class
    """
    classes = [f for f in folder.iterdir() if f.is_dir()]
    if not classes:
        raise ValueError(
            f"{folder}: no subfolder; make one for each class"
        )
    if empty := [
        f.name for f in classes if not any(f.iterdir())
    ]:
        raise ValueError(
            f"{folder}: nothing in {', '.join(sorted(empty))}; "
            "add images or remove the subfolder"
        )
    steps = [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),  # 255 -> 1
        v2.Resize(image_size, antialias=False),  # as Keras does
    ]
    images = ImageFolder(folder, v2.Compose(steps))
    return DataLoader(images, batch_size)


def csv_batches(
    path: Path, columns: list[str], label: str, batch_size: int
) -> DataLoader[Any]:
    r"""Numbers of a CSV file, by the names in its first line.

    Parameters
    ----------
    path : Path
        A text file, with a header.
    columns : list of str
        What becomes the features, in this order.
    label : str
        What becomes the target.
    batch_size : int
        Rows in a batch; the last one may have fewer.

    Returns
    -------
    DataLoader
        Pairs of features (batch, columns) and labels (batch,),
        float32.

    Raises
    ------
    ValueError
        Where a column is missing, or a cell is no number.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "table.csv"
    >>> _ = path.write_text("a,b,y\n1,2,0\n3,4,1\n")
    >>> [(x, y)] = csv_batches(path, ["b", "a"], "y", 2)
    >>> x.numpy().tolist(), y.numpy().tolist()
    ([[2.0, 1.0], [4.0, 3.0]], [0.0, 1.0])
    """
    with path.open(newline="") as file:
        header = next(csv.reader(file), [])
    wanted = [*columns, label]
    if missing := [c for c in wanted if c not in header]:
        raise ValueError(
            f"{path}: no column {', '.join(missing)}; "
            f"the first line has {', '.join(header)}"
        )
    try:
        table = np.loadtxt(
            path,
            "float32",
            delimiter=",",
            skiprows=1,
            usecols=[header.index(c) for c in wanted],
            quotechar='"',
            comments=None,
            ndmin=2,
        )
    except ValueError as error:
        raise ValueError(
            f"{path}, below its header: {error}"
        ) from error
    numbers = torch.from_numpy(table)
    rows = TensorDataset(numbers[:, :-1], numbers[:, -1])
    return DataLoader(rows, batch_size)


# The checksum of TFRecord files: rotated, so that a checksum of
# data that holds checksums is not a weak one.
def _masked_crc(content: bytes) -> bytes:
    crc = crc32c.crc32c(content)
    rotated = (crc >> 15) | (crc << 17)
    masked = (rotated + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<I", masked)


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write a TFRecord file: byte strings, each with checksums.

    Parameters
    ----------
    path : Path
        File to write; what is there is lost.
    records : iterable of bytes
        Any content, usually serialised ``tf.train.Example``.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.tfrecord"
    >>> write_records(path, [b"first", b"second"])
    >>> list(read_records(path))
    [b'first', b'second']
    """
    with path.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + _masked_crc(length))
            file.write(record + _masked_crc(record))


def _read_checked(
    file: BinaryIO, size: int, place: str
) -> bytes:
    content, checksum = file.read(size), file.read(4)
    if len(content) < size or len(checksum) < 4:
        problem = "file is cut off"
    elif checksum != _masked_crc(content):
        problem = "wrong checksum"
    else:
        return content
    raise ValueError(
        f"{place}: {problem}; fetch it again, decompress it "
        "if it is compressed"
    )


def read_records(path: Path) -> Iterator[bytes]:
    """Read the byte strings of a TFRecord file, checked.

    Parameters
    ----------
    path : Path
        File that is not compressed.

    Returns
    -------
    iterator of bytes
        One a record.

    Raises
    ------
    ValueError
        At a record that is cut off or has a wrong checksum.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.tfrecord"
    >>> write_records(path, [b"first", b"second"])
    >>> _ = path.write_bytes(path.read_bytes()[:-1])
    >>> list(read_records(path))
    Traceback (most recent call last):
    ValueError: ..., record 1 at byte 21: file is cut off; ...
    """
    end = path.stat().st_size
    with path.open("rb") as file:
        for number in itertools.count():
            if (at := file.tell()) == end:
                return
            place = f"{path}, record {number} at byte {at}"
            length = _read_checked(file, 8, place)
            (size,) = struct.unpack("<Q", length)
            yield _read_checked(file, size, place)


# tensorflow/core/example: feature.proto and example.proto. What
# is a map there is, on the wire, a repeated message like Entry.
_MESSAGES = {
    "BytesList": ["repeated bytes value"],
    "FloatList": ["repeated float value"],
    "Int64List": ["repeated int64 value"],
    "Feature": [
        "optional BytesList bytes_list",
        "optional FloatList float_list",
        "optional Int64List int64_list",
    ],
    "Entry": ["optional string key", "optional Feature value"],
    "Features": ["repeated Entry feature"],
    "Example": ["optional Features features"],
}


@cache
def _example_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="example.proto", package="example", syntax="proto3"
    )
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for number, field in enumerate(fields, 1):
            label, kind, name = field.split()
            known = kind in _MESSAGES
            message.field.add(
                name=name,
                number=number,
                label=f"LABEL_{label.upper()}",
                type="TYPE_MESSAGE"
                if known
                else f"TYPE_{kind.upper()}",
                type_name=f".example.{kind}" if known else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("example.Example")
    )


def decode_example(record: bytes) -> dict[str, list[Any]]:
    """Features of a serialised ``tf.train.Example``, by name.

    Parameters
    ----------
    record : bytes
        One record of a TFRecord file.

    Returns
    -------
    dict of str to list
        Lists of bytes, float or int, as the feature's kind is.

    Raises
    ------
    google.protobuf.message.DecodeError
        Where the bytes are no such message.

    Examples
    --------
    >>> text = "0a100a0e0a056c6162656c12051a030a0107"
    >>> decode_example(bytes.fromhex(text))
    {'label': [7]}
    """
    example = _example_class().FromString(record)
    found = {}
    for entry in example.features.feature:
        kinds = entry.value.ListFields()  # at most one
        values = kinds[0][1].value if kinds else []
        found[entry.key] = list(values)
    return found


class _Records(IterableDataset[Any]):
    def __init__(
        self, path: Path, image_shape: tuple[int, ...]
    ) -> None:
        self.path, self.image_shape = path, image_shape

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        records = read_records(self.path)
        for number, record in enumerate(records):
            found = decode_example(record)
            try:
                (image,) = found["image"]  # one value each
                (label,) = found["label"]
                pixels = np.frombuffer(image, "uint8")
                pixels = pixels.reshape(self.image_shape)
            except (KeyError, ValueError) as error:
                place = f"{self.path}, record {number}"
                raise ValueError(
                    f"{place}, of {sorted(found)}: {error}"
                ) from error
            yield torch.tensor(pixels), label


def record_batches(
    path: Path, image_shape: tuple[int, ...], batch_size: int
) -> DataLoader[Any]:
    """Images and labels of a TFRecord file.

    Parameters
    ----------
    path : Path
        Examples of ``image``, the raw bytes, and ``label``.
    image_shape : tuple of int
        Of each image; the file does not know it.
    batch_size : int
        Images in a batch; the last one may have fewer.

    Returns
    -------
    DataLoader
        Pairs of images (batch, ...), uint8, and labels
        (batch,), int64.

    Raises
    ------
    ValueError
        On reading an example that lacks a feature or does not
        fit ``image_shape``.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.tfrecord"
    >>> example = bytes.fromhex(
    ...     "0a250a130a05696d616765120a0a080a060001020304"
    ...     "050a0e0a056c6162656c12051a030a0107"
    ... )
    >>> write_records(path, [example])
    >>> [(images, labels)] = record_batches(path, (2, 3), 4)
    >>> images.numpy().tolist(), labels.numpy().tolist()
    ([[[0, 1, 2], [3, 4, 5]]], [7])
    """
    return DataLoader(_Records(path, image_shape), batch_size)
