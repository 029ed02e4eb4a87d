"""
Using pre-trained models
========================

Weights are an array of numbers and three agreements: which
arithmetic they were trained with, which pixels they were fed,
and whether batch norm still learns. A port breaks each of them
without an error. Here they are measured, one by one, and then
the weights are fetched, checked and loaded.
"""

# %%
# The page runs without a network: three pieces of a photograph
# that scikit-image carries, and weights that are drawn, not
# downloaded. So it proves that both sides compute the same; it
# does not show what a trained network answers.

import tempfile
from pathlib import Path

import numpy as np
from skimage import data

photo = data.astronaut()
pieces = np.stack(
    [photo[31 * i :, 40 * i :][:224, :224] for i in range(3)]
)
labels = np.array([0, 1, 2])
folder = Path(tempfile.mkdtemp())
print(photo.shape, pieces.shape, pieces.dtype)

# %%
# A network, with weights or without
# ----------------------------------
# Both libraries build a network and fill it, if you name the
# weights: ``mobilenet("imagenet")`` on one side,
# ``mobilenet("IMAGENET1K_V2")`` on the other. ``None`` draws
# them and needs no network.

# %%
# **TensorFlow** infers when you call it.
import keras
import tensorflow as tf

from migrate_examples.pretrained.in_tensorflow import mobilenet

model_tf = mobilenet(weights=None, width=0.35, classes=10)
trained = model_tf.trainable_weights
count_tf = sum(int(tf.size(w)) for w in trained)
x_tf = tf.constant(pieces / 127.5 - 1, tf.float32)

# %%
# **PyTorch** trains when you call it, until you say ``eval``.
import torch
from torch import nn

from migrate_examples.pretrained.in_pytorch import mobilenet

model_torch = mobilenet(weights=None, width=0.35, classes=10)
trained = model_torch.parameters()
count_torch = sum(w.numel() for w in trained)
x_torch = torch.tensor(x_tf.numpy().transpose(0, 3, 1, 2))

# %%
# **Compare.** The same network: as many parameters. A new one
# hardly looks at its input, so both get batch norm statistics
# of these pieces and scales drawn by NumPy.

assert count_tf == count_torch
rng = np.random.default_rng(0)
print(f"{count_tf:,} parameters each")

# %%
# **TensorFlow** keeps what momentum leaves: 0 is a fresh start.
for layer in model_tf.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.gamma.assign(
            rng.uniform(0.5, 1.5, layer.gamma.shape)
        )
        layer.beta.assign(rng.normal(0, 0.3, layer.beta.shape))
        layer.momentum = 0.0
model_tf(x_tf, training=True)

# %%
# The same weights, the same numbers
# ----------------------------------
# Copied into torchvision's MobileNetV2, Keras's weights need
# three things: transposed kernels, batch norm's epsilon, and a
# padding that lies at the right and at the bottom only.

# %%
# **TensorFlow** hands its arrays over, layer by layer.
arrays = model_tf.get_weights()
logits_tf = model_tf(x_tf).numpy()
print(len(arrays), "arrays")

# %%
# **PyTorch** takes them, and Keras's arithmetic with them.
from migrate_examples.pretrained.in_pytorch import (
    mobilenet_from_arrays,
)

port_torch = mobilenet_from_arrays(arrays, width=0.35)
with torch.no_grad():
    logits_torch = port_torch(x_torch).numpy()

# %%
# **Compare.** Relative to the largest logit; between two pieces
# of the photograph the logits move far more than that.

size = np.abs(logits_tf).max()
gap = np.abs(logits_torch - logits_tf).max() / size
spread = np.abs(logits_tf[1:] - logits_tf[:-1]).max() / size
assert gap < 3e-4
assert spread > 100 * gap
print(f"gap {gap:.1e}, between pieces {spread:.2f}")

# %%
# Leave one of the two changes out: everything still loads, and
# the shapes are right.

# %%
# **PyTorch** with torchvision's own padding, or own epsilon:
import copy

from torchvision import models

own = models.mobilenet_v2(width_mult=0.35, num_classes=10)
own.load_state_dict(port_torch.state_dict())
other = copy.deepcopy(port_torch)
for name, model, epsilon in (
    ("padding", own.eval(), 1e-3),
    ("epsilon", other, 1e-5),
):
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = epsilon
    with torch.no_grad():
        wrong = model(x_torch).numpy()
    error = np.abs(wrong - logits_tf).max() / size
    assert error > 10 * gap
    print(f"torchvision's {name}: {error:.1e}")

# %%
# Preprocessing belongs to the weights
# ------------------------------------
# There are three families: -1 to 1 ("tf"), ImageNet's mean and
# deviation ("torch"), and BGR less a mean ("caffe"). Which of
# them a file of weights expects is written neither in the file
# nor in the shapes of the network.

# %%
# **TensorFlow** has one function; each model's calls it.
from migrate_examples.pretrained.in_tensorflow import preprocess

modes = ("tf", "torch", "caffe")
pixels_tf = {m: preprocess(pieces, m).numpy() for m in modes}
for family in ("mobilenet_v2", "densenet", "resnet"):
    module = getattr(keras.applications, family)
    mine = module.preprocess_input(pieces.astype("float32"))
    used = [m for m in modes if np.allclose(mine, pixels_tf[m])]
    print(f"{family}: {used}, up to {mine.max():.2f}")

# %%
# **PyTorch** keeps it with the weights; the other two by hand.
from migrate_examples.pretrained.in_pytorch import preprocess

image = torch.tensor(pieces).permute(0, 3, 1, 2)
pixels_torch = {m: preprocess(image, m) for m in modes}
preset = models.MobileNet_V2_Weights.DEFAULT.transforms()
print("mobilenet_v2:", preset.mean, preset.std)

# %%
# **Compare.** Mode by mode, beside the largest value.

for mode, ours in pixels_tf.items():
    theirs = pixels_torch[mode].permute(0, 2, 3, 1).numpy()
    gap = np.abs(theirs - ours).max()
    assert gap < 1e-6 * np.abs(ours).max()
    print(f"{mode}: {gap:.1e} of {np.abs(ours).max():.1f}")

# %%
# Resizing belongs to them too. ``weights.transforms()`` is what
# the weights were evaluated with: resize with antialiasing, cut
# the middle out, normalise.

# %%
# **TensorFlow** has to be told each step.
from migrate_examples.pretrained.in_tensorflow import prepare

batch_tf = prepare(photo[:, 60:]).numpy()

# %%
# **PyTorch** asks the weights; nothing is downloaded for it.
from migrate_examples.pretrained.in_pytorch import prepare

batch_torch = prepare(photo[:, 60:])

# %%
# **Compare.** torchvision resizes bytes in fixed point: a few
# pixels are one grey level off, none is more.

level = 1 / 255 / 0.224  # the smallest deviation, normalised
gap = batch_torch.permute(0, 2, 3, 1).numpy() - batch_tf
gap = np.abs(gap)
assert gap.max() < 1.01 * level
share = (gap > level / 2).mean()
print(f"{share:.2%} of the values are one level off")

# %%
# Features instead of classes
# ---------------------------
# The last layer is for the classes of ImageNet; what lies below
# it is worth keeping.

# %%
# **TensorFlow** builds the network without its top.
body_tf = keras.applications.MobileNetV2(
    weights=None, alpha=0.35, include_top=False, pooling="avg"
)
body_tf.set_weights(arrays[:-2])
features_tf = body_tf(x_tf).numpy()

# %%
# **PyTorch** drops the head, or names a node of the graph.
from torchvision.models import feature_extraction

body_torch = copy.deepcopy(port_torch)
body_torch.classifier = nn.Identity()
extractor = feature_extraction.create_feature_extractor(
    port_torch, ["flatten"]
)
with torch.no_grad():
    features_torch = body_torch(x_torch).numpy()
    named_torch = extractor(x_torch)["flatten"].numpy()

# %%
# **Compare.** Both ways of PyTorch against TensorFlow's.

size = np.abs(features_tf).max()
gap = np.abs(features_torch - features_tf).max() / size
assert gap < 3e-4
np.testing.assert_array_equal(named_torch, features_torch)
print(f"{features_tf.shape}: relative gap {gap:.1e}")

# %%
# Fine-tune with a frozen body
# ----------------------------
# Keras's ``trainable = False`` does two things to batch norm:
# its scale is not trained, and it stops learning statistics.
# PyTorch has a switch for each, and ``train()`` turns the
# second on again.

# %%
# **TensorFlow** has one switch.
from migrate_examples.pretrained.in_tensorflow import (
    FrozenBody,
    train_head,
)

tuned_tf = FrozenBody(body_tf, 1280, classes=3)
kernel, bias = (w.copy() for w in tuned_tf.head.get_weights())
loss_tf = train_head(tuned_tf, x_tf, labels, 2, 0.005)
print([round(loss, 4) for loss in loss_tf])

# %%
# **PyTorch** has two; the class holds them. It runs on the
# accelerator, if the machine has one.
from migrate_examples.pretrained.in_pytorch import (
    FrozenBody,
    train_head,
)

device = torch.accelerator.current_accelerator(
    check_available=True
) or torch.device("cpu")
tuned_torch = FrozenBody(body_torch, 1280, classes=3)
tuned_torch.head.weight.data = torch.tensor(kernel.T)
tuned_torch.head.bias.data = torch.tensor(bias)
x, y = x_torch.to(device), torch.tensor(labels, device=device)
tuned_torch.to(device)
loss_torch = train_head(tuned_torch, x, y, 2, 0.005)
after = tuned_torch.cpu().body.state_dict()
print([round(loss, 4) for loss in loss_torch], device)

# %%
# **Compare.** Equal losses; no weight and no statistic of
# either body has moved.

np.testing.assert_allclose(loss_torch, loss_tf, rtol=1e-4)
assert loss_tf[-1] < loss_tf[0]
for i, array in enumerate(body_tf.get_weights()):
    np.testing.assert_array_equal(array, arrays[i])
before = port_torch.state_dict()
for name, value in after.items():
    np.testing.assert_array_equal(value, before[name])
gap = np.abs(np.subtract(loss_torch, loss_tf)).max()
print(f"largest difference of the losses: {gap:.1e}")

# %%
# **PyTorch** without the second switch learns on the quiet:
frozen = copy.deepcopy(body_torch).requires_grad_(False)
with torch.no_grad():
    frozen.train()(x_torch / 2)  # one batch of darker images
    drifted = frozen.eval()(x_torch).numpy()
drift = np.abs(drifted - features_torch).max() / size
assert drift > 0.01
print(f"features after one batch: {drift:.0%} off")

# %%
# Save and load
# -------------
# A file of weights holds arrays by name. Both libraries copy
# what fits before they notice what does not, and Keras does not
# notice what is left over; these load all, or nothing.

# %%
# **TensorFlow** names arrays by the place of their layer.
from migrate_examples.pretrained.in_tensorflow import (
    WeightsError,
    load_weights,
    save_weights,
)

dense, inputs = keras.layers.Dense, keras.Input((5,))
long = keras.Sequential([inputs, dense(4), dense(2)])
short_tf = keras.Sequential([inputs, dense(4)])
path = folder / "long.weights.h5"
save_weights(long, path)
expected_tf = long.get_weights()
long.set_weights([0 * w for w in expected_tf])
load_weights(long, path)
again_tf = long.get_weights()
try:
    load_weights(short_tf, path)
except WeightsError as error:
    print(str(error).replace(f"{folder}/", ""))
short_tf.load_weights(path)  # Keras's own: not a word
half_tf = short_tf.get_weights()

# %%
# **PyTorch** names them by attribute; with ``weights_only`` no
# code is unpickled.
from migrate_examples.pretrained.in_pytorch import (
    WeightsError,
    load_weights,
    save_weights,
)

long = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 2))
short_torch = nn.Sequential(nn.Linear(5, 4))
path = folder / "long.pth"
save_weights(long, path)
expected_torch = copy.deepcopy(long.state_dict())
long[0].weight.data.zero_()
load_weights(long, path)
again_torch = long.state_dict()
try:
    load_weights(short_torch, path)
except WeightsError as error:
    print(str(error).replace(f"{folder}/", ""))

# %%
# **Compare.** What was saved came back to the bit; Keras, asked
# without the check, took half of a file.

for old, new in zip(expected_tf, again_tf, strict=True):
    np.testing.assert_array_equal(new, old)
np.testing.assert_array_equal(half_tf[0], expected_tf[0])
for name, old in expected_torch.items():
    np.testing.assert_array_equal(again_torch[name], old)
print(f"{len(again_tf)} and {len(again_torch)} arrays restored")

# %%
# Fetch weights once
# ------------------
# Each library downloads into a cache of its own:
# ``KERAS_HOME`` and ``TORCH_HOME`` move it. Give the hash, or
# its first digits: torchvision writes eight of them into the
# name of the file. What cannot be had, is cut short, has
# another hash or is a web page leaves no file behind, and says
# so in one error.

# %%
# **TensorFlow** downloads with ``get_file``.
from migrate_examples.pretrained.in_tensorflow import (
    WeightsError,
    download_weights,
)

source = folder / "long.weights.h5"
cache = folder / "cache_tf"
keras.config.disable_interactive_logging()  # no progress bar
kept_tf = download_weights(source.as_uri(), cache)
try:
    download_weights("http://127.0.0.1:9/a.weights.h5", cache)
except WeightsError as error:
    print(str(error).replace(f"{folder}/", ""))
keras.config.enable_interactive_logging()

# %%
# **PyTorch** downloads with ``torch.hub``.
from migrate_examples.pretrained.in_pytorch import (
    WeightsError,
    download_weights,
)

source = folder / "long.pth"
cache = folder / "cache_torch"
kept_torch = download_weights(source.as_uri(), cache)
try:
    download_weights("http://127.0.0.1:9/a.pth", cache)
except WeightsError as error:
    print(str(error).replace(f"{folder}/", ""))

# %%
# **Compare.** The bytes of the source, and no trace of what
# failed.

for kept in (kept_tf, kept_torch):
    source = folder / kept.name
    assert kept.read_bytes() == source.read_bytes()
    print([file.name for file in kept.parent.iterdir()])
    assert list(kept.parent.iterdir()) == [kept]

# %%
# When torchvision does not import
# --------------------------------
# ``RuntimeError: operator torchvision::nms does not exist`` is
# not about ``nms``. torchvision's compiled half was built for
# another torch, of another release or CUDA beside CPU, and did
# not load; ``nms`` is the first operator that is then missed.
# Install both anew, in one command and from one index:
# ``pip install --force-reinstall torch torchvision
# --index-url https://download.pytorch.org/whl/cpu``.

# %%
# **PyTorch** says which torch a torchvision was released for:
from importlib.metadata import requires, version

(wanted,) = (
    r for r in requires("torchvision") if r.startswith("torch")
)
assert version("torch").partition("+")[0] in wanted
print(f"torchvision {version('torchvision')} wants {wanted};")
print(f"here is torch {version('torch')}")

# %%
# Corrections to older guides
# ---------------------------
# Older guides load with ``pretrained=True``. The argument is
# deprecated: it says neither which of several weights you get,
# nor what they were fed. ``False`` warns as well, and downloads
# nothing, so it is shown here.

# %%
# **PyTorch** warns, and lists the weights to choose from:
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    models.mobilenet_v2(pretrained=False, width_mult=0.35)
assert "'pretrained' is deprecated" in str(caught[0].message)
print(caught[0].message)
print([w.name for w in models.ResNet50_Weights])

# %%
# They set ``ResNet50`` beside ``resnet50`` as equals. They are
# two networks: the stride lies in another convolution, which no
# shape of a weight betrays.

# %%
# **TensorFlow** has version 1: the first convolution strides.
resnet = keras.applications.ResNet50(
    weights=None, include_top=False, input_shape=(32, 32, 3)
)
names = ("conv3_block1_1_conv", "conv3_block1_2_conv")
strides_tf = [resnet.get_layer(name).strides for name in names]
print(strides_tf)

# %%
# **PyTorch** has version 1.5: the second does.
with torch.device("meta"):  # the shapes, without the numbers
    block = models.resnet50().layer2[0]
strides_torch = [block.conv1.stride, block.conv2.stride]
print(strides_torch)

# %%
# **Compare.** The same two strides, the other way round.

assert strides_tf == strides_torch[::-1]
assert strides_tf != strides_torch
print(f"{strides_tf} against {strides_torch}")

# %%
# They leave preprocessing out, and ``eval()``. Neither raises.

# %%
# **PyTorch** fed by the wrong family, then left in train mode:
naive = copy.deepcopy(port_torch)
with torch.no_grad():
    wrong = naive(pixels_torch["torch"]).numpy()
    one, two = (naive.train()(x_torch).numpy() for _ in "ab")
size = np.abs(logits_tf).max()
mixed = np.abs(wrong - logits_tf).max() / size
noise = np.abs(one - two).max() / size
assert mixed > 0.1
assert noise > 0.01
print(f"wrong preprocessing: {mixed:.0%} of the largest logit")
print(f"two calls in train mode differ by {noise:.0%}")

# %%
# Not verified here: the ImageNet weights themselves, a real
# server (the tests run one on the loopback interface), an
# accelerator, and torchvision's compiled operators.
