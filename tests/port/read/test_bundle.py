"""Checkpoints of TensorFlow: types, slices, names, shards, against its own reader."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from migrate_examples.port.read import ReadError, read
from migrate_examples.port.read.bundle import Bundle
from migrate_examples.port.read.crc32c import crc32c, unmasked
from migrate_examples.port.read.snappy import unpack
from migrate_examples.port.read.table import entries

TYPES = (
    "float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128",
)  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_read_bit_by_bit(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    wanted = rng.uniform(0, 100, (3, 5)).astype(tf.dtypes.as_dtype(kind).as_numpy_dtype)
    if kind.startswith("complex"):
        wanted = wanted * (1 + 2j)
    saved = tf.train.Checkpoint(w=tf.Variable(wanted), none=tf.Variable(wanted[:0]))
    prefix = saved.write(str(tmp_path / "c"))
    arrays = Bundle(Path(prefix))
    for name in ("w", "none"):
        found = arrays.array(f"{name}/.ATTRIBUTES/VARIABLE_VALUE")
        other = tf.train.load_checkpoint(prefix).get_tensor(
            f"{name}/.ATTRIBUTES/VARIABLE_VALUE"
        )
        assert found.dtype == other.dtype
        assert found.shape == other.shape
        assert found.tobytes() == other.tobytes()


def test_strings_are_skipped_and_said(tmp_path: Path) -> None:
    saved = tf.train.Checkpoint(w=tf.Variable([1.0]), s=tf.Variable(["a", "b"]))
    archive = read(saved.write(str(tmp_path / "c")))
    assert next(iter(archive.arrays().values())).tolist() == [1.0]
    assert any("s/" in line and "strings" in line for line in archive.skipped)


def tf1_checkpoint(folder: Path, shards: int = 1) -> str:
    """Names of variables alone, one of them in slices, as TensorFlow 1 wrote them."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        rows = v1.fixed_size_partitioner(3)
        v1.get_variable("embed/table", (8, 3), partitioner=rows)
        columns = v1.fixed_size_partitioner(2, axis=1)
        v1.get_variable("wide/kernel", (4, 130), partitioner=columns)
        plain = v1.get_variable("conv1/weights", (3, 3, 1, 2))
        v1.get_variable("bias", (2,))
        v1.train.AdamOptimizer().minimize(tf.reduce_sum(plain**2))
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(sharded=shards > 1)
        return str(saver.save(session, str(folder / "old"), write_meta_graph=False))


def test_names_and_slices_of_tensorflow_1(tmp_path: Path) -> None:
    prefix = tf1_checkpoint(tmp_path)
    archive = read(prefix)
    reader = tf.train.load_checkpoint(prefix)
    found = {**archive.arrays(), **archive.optimizer}
    for name in reader.get_variable_to_shape_map():
        mine = found[name if "/" in name or name in found else f"/{name}"]
        assert mine.tobytes() == reader.get_tensor(name).tobytes(), name
    assert found["embed/table"].shape == (8, 3)
    assert "conv1/weights/Adam" in archive.optimizer
    assert archive.kind == "checkpoint"


def test_the_folder_names_its_last_checkpoint(tmp_path: Path) -> None:
    tf1_checkpoint(tmp_path)
    assert read(tmp_path).arrays().keys() == read(tmp_path / "old").arrays().keys()
    assert read(tmp_path / "old.index").kind == "checkpoint"


def test_a_large_tensor_and_its_checksum(tmp_path: Path) -> None:
    values = np.arange(1_300_000, dtype=np.float32)  # more than one piece
    prefix = tf.train.Checkpoint(w=tf.Variable(values)).write(str(tmp_path / "c"))
    found = read(prefix).arrays()
    assert next(a for n, a in found.items() if n.endswith("w")).tobytes() == (
        values.tobytes()
    )
    data = Path(prefix + ".data-00000-of-00001")
    changed = bytearray(data.read_bytes())
    changed[2_000_003] ^= 1
    data.write_bytes(changed)
    with pytest.raises(ReadError, match="checksum"):
        read(prefix)


def test_crc_agrees_with_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    for size in (0, 1, 255, 256, 257, 1000, 4097, 70_001):
        data = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
        register = 0xFFFFFFFF
        for byte in data:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
        assert crc32c(data) == register ^ 0xFFFFFFFF
        assert crc32c(data[size // 3 :], crc32c(data[: size // 3])) == crc32c(data)


def test_a_packed_index_is_unpacked(tmp_path: Path) -> None:
    """TensorFlow packs no index; other writers of the format may."""
    prefix = Path(tf1_checkpoint(tmp_path))
    index = prefix.with_name("old.index")
    plain = entries(index.read_bytes())
    index.write_bytes(packed_table(plain))
    assert entries(index.read_bytes()) == plain
    assert read(prefix).arrays().keys()


def number(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def packed_table(rows: dict[bytes, bytes]) -> bytes:
    """A table of one block, its bytes packed as literals by Snappy."""

    def block(pairs: list[tuple[bytes, bytes]], out: bytes) -> tuple[bytes, bytes]:
        body = b"".join(
            number(0) + number(len(k)) + number(len(v)) + k + v for k, v in pairs
        )
        body += (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
        packed = number(len(body))
        for start in range(0, len(body), 60):
            piece = body[start : start + 60]
            packed += bytes([(len(piece) - 1) << 2]) + piece
        crc = crc32c(packed + b"\x01")
        masked = ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF
        assert unmasked(masked) == crc
        handle = number(len(out)) + number(len(packed))
        return out + packed + b"\x01" + masked.to_bytes(4, "little"), handle

    out, data = block(list(rows.items()), b"")
    out, meta = block([], out)
    out, index = block([(b"\xff", data)], out)
    footer = (meta + index).ljust(40, b"\0")
    return out + footer + (0xDB4775248B80FB57).to_bytes(8, "little")


def test_snappy_copies() -> None:
    assert unpack(b"\x0c\x08abc" + bytes([(9 - 4) << 2 | 1, 3])) == b"abc" * 4
    assert unpack(b"\x06\x08abc" + bytes([2 << 2 | 2, 3, 0])) == b"abcabc"
    with pytest.raises(ReadError, match="before its start"):
        unpack(b"\x06\x08abc" + bytes([2 << 2 | 2, 9, 0]))


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    prefix = tf1_checkpoint(tmp_path)
    Path(prefix + ".data-00000-of-00001").unlink()
    with pytest.raises(ReadError, match="data-00000-of-00001 is missing"):
        read(prefix)


def test_a_data_file_cut_short_is_said(tmp_path: Path) -> None:
    prefix = tf1_checkpoint(tmp_path)
    data = Path(prefix + ".data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:40])
    with pytest.raises(ReadError, match="lie outside"):
        read(prefix)


def test_bfloat16_is_the_type_that_tensorflow_returns(tmp_path: Path) -> None:
    values = tf.Variable(tf.constant([1.5, 2.5], tf.bfloat16))
    prefix = tf.train.Checkpoint(w=values).write(str(tmp_path / "c"))
    (found,) = read(prefix).arrays().values()
    assert found.dtype == ml_dtypes.bfloat16
