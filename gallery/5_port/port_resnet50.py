"""
ResNet50 is not ResNet50
========================

``keras.applications.ResNet50`` and torchvision's ``resnet50``
bear one name, and every kernel of the one fits into the other.
Load them, and nothing complains; the answers are wrong. Four
things differ. Here each is left out in turn, and what that
costs is printed; with all four, both agree to rounding.
"""

# %%
# Two photographs to compare on and two more for statistics, as
# squares of 96 pixels. All of this page computes in float64:
# one of the four differences is smaller than the rounding of
# float32.

import keras
import numpy as np
from skimage import data
from skimage.transform import resize

keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
grey = data.camera()
photographs = (
    *(data.chelsea(), data.coffee(), data.rocket()),
    np.stack([grey] * 3, axis=-1),
)
squares = [p[:300, :300] for p in photographs]
pixels = np.stack(
    [
        255 * resize(s, (96, 96), anti_aliasing=True)
        for s in squares
    ]
).round()
print(pixels.shape, pixels.min(), pixels.max())

# %%
# Two networks of one name
# ------------------------
# Trained weights come by download only, so these are drawn. An
# untrained network hardly looks at its input, and a wrong port
# of it looks right: scales and shifts are drawn as well, and
# the statistics of the norms are those of the photographs.

# %%
# **TensorFlow** preprocesses outside of the network.
from keras.applications.resnet import preprocess_input

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
model_tf = keras.applications.ResNet50(
    weights=None,
    input_shape=(96, 96, 3),
    classifier_activation=None,
)
x_tf = preprocess_input(pixels.copy())
kinds = (keras.layers.Conv2D, keras.layers.BatchNormalization)
norms = [n for n in model_tf.layers if isinstance(n, kinds[1])]
for variable in model_tf.trainable_variables:
    if variable.path.endswith("gamma"):
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    if variable.path.endswith(("beta", "bias")):
        variable.assign(rng.normal(0, 0.1, variable.shape))
for norm in norms:
    norm.momentum = 0.0  # what momentum leaves: a fresh start
model_tf(x_tf, training=True)
logits_tf = model_tf(x_tf[:2]).numpy()
trained_tf = sum(
    np.prod(v.shape) for v in model_tf.trainable_variables
)
print(f"{trained_tf:,} trained numbers")

# %%
# **PyTorch** preprocesses outside too, but otherwise.
import torch
from torch import nn
from torchvision import models

net_torch = models.resnet50()
preset = models.ResNet50_Weights.IMAGENET1K_V1.transforms()
trained_torch = sum(p.numel() for p in net_torch.parameters())
print(f"{trained_torch:,} trained numbers")
print("mean", preset.mean, "std", preset.std)

# %%
# **Compare.** The numbers that Keras has and torchvision lacks
# are the biases of the convolutions. The rest fits.

convs = [n for n in model_tf.layers if isinstance(n, kinds[0])]
biases = sum(conv.bias.shape[0] for conv in convs)
assert trained_tf - trained_torch == biases
print(f"{biases:,} biases in {len(convs)} convolutions")
first, second = (
    np.abs(logits_tf),
    np.abs(np.diff(logits_tf, axis=0)),
)
sensitivity = second.max() / first.max()
assert sensitivity > 0.2
print(f"the photographs differ by {sensitivity:.2f}")

# %%
# The port
# --------
# Keras lists the layers of parallel branches mixed. The names
# tell their place: ``conv3_block1_0_conv`` is the shortcut of
# the first block of the second stage.

# %%
# **TensorFlow** hands its weights over by these names.
weights_tf = {
    layer.name: layer.get_weights() for layer in model_tf.layers
}
weights_tf = {n: w for n, w in weights_tf.items() if w}
print([n for n in weights_tf if "conv3_block1" in n])


# %%
# **PyTorch** takes them; each difference can be left out.
def place(layer):
    """Module of torchvision for a layer of Keras."""
    if layer == "predictions":
        return "fc"
    if layer.startswith("conv1"):
        return "conv1" if "conv1_conv" in layer else "bn1"
    stage, block, number, kind = layer.split("_")
    path = f"layer{int(stage[-1]) - 1}.{int(block[5:]) - 1}"
    if number == "0":
        return f"{path}.downsample.{int(kind == 'bn')}"
    return f"{path}.{kind}{number}"


def fill(net, weights, *, fold_bias):
    """Load all weights; fold biases, or drop them."""
    state = {}
    bias = 0
    for layer, arrays in weights.items():
        path = place(layer)
        tensors = [torch.tensor(a) for a in arrays]
        if layer.endswith("_conv"):
            state[f"{path}.weight"] = tensors[0].permute(
                3, 2, 0, 1
            )
        elif layer.endswith("_bn"):
            bias = weights[layer.replace("_bn", "_conv")][1]
            scale, shift, mean, variance = tensors
            state[f"{path}.weight"] = scale
            state[f"{path}.bias"] = shift
            mean = mean - torch.tensor(bias) * fold_bias
            state[f"{path}.running_mean"] = mean
            state[f"{path}.running_var"] = variance
        else:
            state[f"{path}.weight"] = tensors[0].T
            state[f"{path}.bias"] = tensors[1]
    missing, unexpected = net.load_state_dict(
        state, strict=False
    )
    assert not unexpected
    assert all("num_batches" in name for name in missing)


def port(weights, *, stride=True, bias=True, epsilon=True):
    """A resnet50 with the changes, or without one."""
    net = models.resnet50().double().eval()
    fill(net, weights, fold_bias=bias)
    for module in net.modules():
        if stride and isinstance(
            module, models.resnet.Bottleneck
        ):
            module.conv1.stride = module.conv2.stride
            module.conv2.stride = (1, 1)
        if epsilon and isinstance(module, nn.BatchNorm2d):
            module.eps = 1.001e-5
    return net


def caffe(images):
    """Blue first, less the mean of ImageNet; no division."""
    mean = images.new_tensor([103.939, 116.779, 123.68])
    return images.flip(1) - mean[:, None, None]


def run(net, images):
    with torch.no_grad():
        return net(images).numpy()


images = torch.tensor(pixels[:2]).permute(0, 3, 1, 2)
x_torch = caffe(images)
exact = port(weights_tf)
logits_torch = run(exact, x_torch)
print("largest logit:", np.abs(logits_torch).max().round(2))

# %%
# **Compare.** First the inputs, then the logits, against the
# largest of them. Fifty layers in float64 leave this:

size = np.abs(logits_tf).max()
np.testing.assert_array_equal(
    x_torch.permute(0, 2, 3, 1), x_tf[:2]
)
gap = np.abs(logits_torch - logits_tf).max() / size
assert gap < 1e-9
print(f"relative difference {gap:.1e}")

# %%
# One at a time
# -------------
# - **Stride.** Keras has the network of the first paper: a
#   block halves its image in the first convolution, 1 by 1.
#   torchvision halves it in the second, 3 by 3 (often called
#   ResNet v1.5). Kernels have the same shapes.
# - **Bias.** Keras's convolutions have one, though a norm
#   follows. ``(conv + bias - mean) / std`` is
#   ``(conv - (mean - bias)) / std``: it fits into the mean.
# - **Epsilon.** 1.001e-5 against 1e-5.
# - **Input.** Keras: blue first, 0 to 255, less a mean.
#   torchvision: red first, 0 to 1, normalised.

# %%
# **PyTorch** with one of them forgotten.
std = images.new_tensor(preset.std)[:, None, None]
mean = images.new_tensor(preset.mean)[:, None, None]
forgotten_torch = {
    "stride": run(port(weights_tf, stride=False), x_torch),
    "bias": run(port(weights_tf, bias=False), x_torch),
    "epsilon": run(port(weights_tf, epsilon=False), x_torch),
    "input": run(exact, (images / 255 - mean) / std),
    "all four": run(
        port(
            weights_tf, stride=False, bias=False, epsilon=False
        ),
        (images / 255 - mean) / std,
    ),
}
print("each gives", {y.shape for y in forgotten_torch.values()})

# %%
# **Compare.** All have the right shape, and none raised.

for name, wrong in forgotten_torch.items():
    error = np.abs(wrong - logits_tf).max() / size
    assert error > 1000 * gap
    print(f"without {name:9}{error:8.1e}")
print(f"with all     {gap:8.1e}")

# %%
# Why float64
# -----------
# The same port in float32, and once more with torchvision's
# epsilon. Could you tell the two apart?

# %%
# **PyTorch** rounds to seven digits.
single_torch = run(exact.float(), x_torch.float())
other = port(weights_tf, epsilon=False).float()
epsilon_torch = run(other, x_torch.float())
print(single_torch.dtype)

# %%
# **Compare.** Rounding is larger than this mistake. A port is
# checked in float64, where a mistake cannot hide.

rounding = np.abs(single_torch - logits_tf).max() / size
with_mistake = np.abs(epsilon_torch - logits_tf).max() / size
assert rounding < 3e-4
assert 0.5 < with_mistake / rounding < 2
print(f"right {rounding:.1e}, wrong {with_mistake:.1e}")

# %%
# Without writing it
# ------------------
# The package knows all of this for the models of
# ``keras.applications`` that torchvision has. The twin is a
# plain ``resnet50``: what you know of it holds.

# %%
# **PyTorch** gets the model itself, or a path to its file.
from migrate_examples.port.applications.twins import (
    changes_of,
    twin,
)

twin_torch = twin(model_tf)
for change in changes_of("ResNet50"):
    print(f"{change.name:9} {change.words}")
inputs = twin_torch.preprocess(images)
logits_twin = run(twin_torch, inputs)

# %%
# **Compare.** The last line of the list shows in training only:
# what Keras calls momentum is one minus what PyTorch calls so.

np.testing.assert_allclose(
    logits_twin, logits_tf, rtol=0, atol=1e-9 * size
)
assert type(twin_torch) is models.ResNet
gap = np.abs(logits_twin - logits_tf).max() / size
print(f"relative difference {gap:.1e}")

# %%
# Not verified here: trained weights, which have to be
# downloaded; a GPU.
