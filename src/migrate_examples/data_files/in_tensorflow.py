"""Files of data in TensorFlow: readers that make datasets."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf


def image_batches(
    folder: Path, image_size: tuple[int, int], batch_size: int
) -> tf.data.Dataset:
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
    Dataset
        Pairs of images (batch, height, width, 3), float32 from
        0 to 1, and classes (batch,), int32.

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
    images = keras.utils.image_dataset_from_directory(
        folder,
        image_size=image_size,
        batch_size=batch_size,
        shuffle=False,  # by default it does
        verbose=False,
    )
    return images.map(lambda x, y: (x / 255, y))


def csv_batches(
    path: Path, columns: list[str], label: str, batch_size: int
) -> tf.data.Dataset:
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
    Dataset
        Pairs of features (batch, columns) and labels (batch,),
        float32.

    Raises
    ------
    ValueError
        Where a column is missing.
    InvalidArgumentError
        On reading a cell that is no number.

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
    rows = tf.data.experimental.make_csv_dataset(
        str(path),
        batch_size,
        select_columns=wanted,
        column_defaults=[tf.float32] * len(wanted),  # required
        label_name=label,
        num_epochs=1,  # by default it never ends
        shuffle=False,  # by default it does
    )
    return rows.map(
        lambda row, y: (
            tf.stack([row[c] for c in columns], 1),
            y,
        )
    )


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
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


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
    records = tf.data.TFRecordDataset(str(path))
    number = at = 0
    try:
        for record in records.as_numpy_iterator():
            yield record
            number += 1
            at += 16 + len(record)  # length and two checksums
    except tf.errors.DataLossError as error:
        cut = "truncated" in error.message
    else:  # a rest of fewer than 12 bytes is no error
        cut = at < path.stat().st_size
        if not cut:
            return
    problem = "file is cut off" if cut else "wrong checksum"
    raise ValueError(
        f"{path}, record {number} at byte {at}: {problem}; "
        "fetch it again, decompress it if it is compressed"
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
    example = tf.train.Example.FromString(record)
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")  # None if empty
        values = getattr(feature, kind).value if kind else []
        found[name] = list(values)
    return found


def record_batches(
    path: Path, image_shape: tuple[int, ...], batch_size: int
) -> tf.data.Dataset:
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
    Dataset
        Pairs of images (batch, ...), uint8, and labels
        (batch,), int64.

    Raises
    ------
    InvalidArgumentError
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
    spec = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        found = tf.io.parse_single_example(record, spec)
        image = tf.io.decode_raw(found["image"], tf.uint8)
        return tf.reshape(image, image_shape), found["label"]

    records = tf.data.TFRecordDataset(str(path))
    return records.map(parse).batch(batch_size)
