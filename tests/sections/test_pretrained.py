"""Pre-trained models: parity of the network, of its pixels and of its tuning."""

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import skimage.data
import tensorflow as tf
import torch
from torch import nn
from torchvision import models

from migrate_examples.pretrained import in_pytorch, in_tensorflow

WIDTH = 0.35  # the smallest member, 0.4 million weights


def same(ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.fixture
def policy(dtype: str) -> Iterator[str]:
    """Keras builds its layers in this precision."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    yield dtype
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def crops(count: int) -> np.ndarray:
    """Cut from the photograph, uint8, (count, 224, 224, 3)."""
    photo = skimage.data.astronaut()
    corners = [(47 * i % 200, 31 * i) for i in range(count)]
    return np.stack([photo[y : y + 224, x : x + 224] for y, x in corners])


def calibrated(images: np.ndarray, rng: np.random.Generator) -> keras.Model:
    """A Keras MobileNetV2 that reacts to its input as a trained one does.

    Drawn weights with moving averages of 0 and 1 hardly react: a wrong port
    would go unnoticed.
    """
    model = in_tensorflow.mobilenet(width=WIDTH, classes=7, seed=5)
    norms = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for norm in norms:
        shape = norm.gamma.shape
        norm.gamma.assign(rng.uniform(0.5, 1.5, shape))
        norm.beta.assign(rng.normal(0, 0.3, shape))
        norm.momentum = 0.0
    model(images, training=True)
    for norm in norms:
        norm.moving_variance.assign(
            norm.moving_variance * rng.uniform(0.8, 1.2, norm.gamma.shape)
        )
    return model


def relative(theirs: Any, ours: Any) -> float:
    ours = np.asarray(ours)
    return float(np.abs(np.asarray(theirs) - ours).max() / np.abs(ours).max())


def test_mobilenet_from_arrays_computes_as_keras(
    policy: str, rng: np.random.Generator
) -> None:
    images = (crops(2) / 127.5 - 1).astype(policy)
    source = calibrated(images, rng)
    arrays = source.get_weights()
    assert arrays[0].dtype == policy
    ours = in_tensorflow.mobilenet_from_arrays(arrays, WIDTH)
    theirs = in_pytorch.mobilenet_from_arrays(arrays, WIDTH)
    x = tf.constant(images)
    z = torch.tensor(images.transpose(0, 3, 1, 2), requires_grad=True)
    weights = rng.normal(size=(2, 7)).astype(policy)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits_tf = ours(x)
        total = tf.reduce_sum(logits_tf * weights)
    logits = theirs(z)
    (logits * torch.tensor(weights)).sum().backward()
    assert z.grad is not None
    # the images are told apart: the test is not vacuous
    assert relative(logits_tf[1:], logits_tf[:-1]) > 0.1
    # 53 convolutions: in float32 the bound of parity-facts for whole networks
    bound = {"float32": 3e-4, "float64": 1e-12}[policy]
    assert np.array_equal(source(x), logits_tf)
    assert relative(logits.detach(), logits_tf) < bound
    slope = z.grad.permute(0, 2, 3, 1)
    # a ReLU6 that flips within rounding moves a float32 gradient; in float64 none does
    bound = {"float32": 3e-2, "float64": 1e-12}[policy]
    assert relative(slope, tape.gradient(total, x)) < bound


def test_mobilenet_from_arrays_needs_each_change(rng: np.random.Generator) -> None:
    images = (crops(2) / 127.5 - 1).astype("float32")
    source = calibrated(images, rng)
    logits_tf = source(images)
    ported = in_pytorch.mobilenet_from_arrays(source.get_weights(), WIDTH)
    x = torch.tensor(images.transpose(0, 3, 1, 2))
    plain = models.mobilenet_v2(width_mult=WIDTH, num_classes=7).eval()
    plain.load_state_dict(ported.state_dict())  # loads without a word
    epsilon = copy.deepcopy(ported)
    padding = copy.deepcopy(plain)
    for module in epsilon.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5
    for module in padding.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
    with torch.no_grad():
        assert relative(ported(x), logits_tf) < 3e-4
        # without its epsilon, without its padding, without both
        for wrong in (epsilon, padding, plain):
            assert relative(wrong(x), logits_tf) > 3e-3


def test_mobilenet_from_arrays_refuses_what_does_not_fit() -> None:
    arrays = in_tensorflow.mobilenet(width=0.5, classes=7).get_weights()
    for twins in (in_tensorflow, in_pytorch):
        for given in (arrays, arrays[1:], [*arrays, arrays[-1]]):
            with pytest.raises(twins.WeightsError, match=r"of width 0\.35\?"):
                twins.mobilenet_from_arrays(given, WIDTH)


@pytest.mark.parametrize("width", [0.35, 0.75, 1.3])
def test_mobilenet_is_the_same_network(width: float) -> None:
    ours = in_tensorflow.mobilenet(width=width, classes=7)
    theirs = in_pytorch.mobilenet(width=width, classes=7)
    assert not theirs.training
    state = theirs.state_dict()
    sizes = [w.numel() for n, w in state.items() if "num_batches" not in n]
    assert sizes == [w.size for w in ours.get_weights()]


# ----------------------------------------------------------------- preprocessing


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
def test_preprocess(mode: str, kind: str, rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, size=(2, 5, 7, 3)).astype(kind)
    before = image.copy()
    ours = in_tensorflow.preprocess(tf.constant(image), mode)
    theirs = in_pytorch.preprocess(torch.tensor(image).permute(0, 3, 1, 2), mode)
    assert ours.dtype == tf.float32
    assert theirs.dtype == torch.float32
    # values reach 151 ("caffe") or come from a division by .225: a few float32 ulp
    bound = {"tf": 1e-6, "torch": 2e-6, "caffe": 2e-5}[mode]
    np.testing.assert_allclose(theirs.permute(0, 2, 3, 1), ours, rtol=1e-6, atol=bound)
    x = image.astype("float64")
    exact = {
        "tf": x / 127.5 - 1,
        "torch": (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "caffe": x[..., ::-1] - [103.939, 116.779, 123.68],
    }[mode]
    np.testing.assert_allclose(ours, exact, rtol=1e-6, atol=bound)
    np.testing.assert_array_equal(image, before)  # Keras edits float arrays in place


def test_preprocess_takes_one_image_and_refuses_other_modes() -> None:
    image = np.full((5, 7, 3), 60, np.uint8)
    one = in_pytorch.preprocess(torch.tensor(image).permute(2, 0, 1), "caffe")
    ours = in_tensorflow.preprocess(tf.constant(image), "caffe")
    np.testing.assert_allclose(one.permute(1, 2, 0), ours, rtol=1e-6)
    with pytest.raises(ValueError, match="mode"):
        in_tensorflow.preprocess(tf.constant(image), "imagenet")
    with pytest.raises(ValueError, match="'imagenet' is not tf, torch or caffe"):
        in_pytorch.preprocess(one, "imagenet")


@pytest.mark.parametrize(
    "window", [np.s_[:, :], np.s_[:301, 20:471], np.s_[7:, 100:350]]
)
def test_prepare(window: tuple[slice, slice]) -> None:
    photo = skimage.data.astronaut()[window].copy()
    ours = in_tensorflow.prepare(photo, resize=131, crop=96).numpy()
    prepared = in_pytorch.prepare(photo, resize=131, crop=96)
    theirs = prepared.permute(0, 2, 3, 1).numpy()
    assert theirs.shape == ours.shape == (1, 96, 96, 3)
    assert theirs.dtype == ours.dtype == "float32"
    level = 1 / 255 / 0.224  # torchvision resizes bytes in fixed point
    gap = np.abs(ours - theirs)
    assert gap.max() < 1.05 * level
    assert (gap > level / 2).mean() < 0.02
    default = in_pytorch.prepare(photo)
    assert tuple(default.shape) == (1, 3, 224, 224)


# --------------------------------------------------------------------- fine-tuning


def bodies(rng: np.random.Generator) -> tuple[keras.Model, nn.Module]:
    """The same convolution, batch norm and pooling on both sides."""
    ours = keras.Sequential(
        [
            keras.Input((7, 9, 3)),
            keras.layers.Conv2D(5, 3),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    dtype = ours.weights[0].dtype
    draws = [rng.uniform(0.5, 1.5, w.shape).astype(dtype) for w in ours.weights]
    ours.set_weights(draws)
    kernel, bias, *norm = (torch.tensor(draw) for draw in draws)
    conv, batch_norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, eps=1e-3)
    theirs = nn.Sequential(conv, batch_norm, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    theirs.to(kernel.dtype)
    conv.load_state_dict({"weight": kernel.permute(3, 2, 0, 1), "bias": bias})
    names = ("weight", "bias", "running_mean", "running_var")
    batch_norm.load_state_dict(dict(zip(names, norm, strict=True)), strict=False)
    return ours, theirs


def test_frozen_body_and_train_head_agree(
    policy: str, rng: np.random.Generator
) -> None:
    body_tf, body_torch = bodies(rng)
    ours = in_tensorflow.FrozenBody(body_tf, 5, 4)
    theirs = in_pytorch.FrozenBody(body_torch, 5, 4)
    theirs.to(getattr(torch, policy))
    kernel, bias = rng.normal(size=(5, 4)), rng.normal(size=4)
    ours.head.set_weights([kernel, bias])
    theirs.head.load_state_dict(
        {"weight": torch.tensor(kernel.T), "bias": torch.tensor(bias)}
    )
    images = rng.normal(size=(6, 7, 9, 3)).astype(policy)
    labels = np.array([0, 3, 1, 2, 3, 0])
    frozen_tf = [w.copy() for w in body_tf.get_weights()]
    frozen_torch = copy.deepcopy(body_torch.state_dict())
    x = torch.tensor(images.transpose(0, 3, 1, 2))
    # 1/128 is exact in float32: Keras's learning rate is a float32
    loss_tf = in_tensorflow.train_head(
        ours, tf.constant(images), tf.constant(labels), 5, 1 / 128
    )
    loss_torch = in_pytorch.train_head(theirs, x, torch.tensor(labels), 5, 1 / 128)
    # five steps of the head alone: no chaos, a few ulp
    bound = {"float32": 2e-5, "float64": 1e-12}[policy]
    assert loss_tf[-1] < loss_tf[0] * 0.99
    np.testing.assert_allclose(loss_torch, loss_tf, rtol=bound)
    kernel_tf, bias_tf = ours.head.get_weights()
    assert kernel_tf.dtype == policy
    np.testing.assert_allclose(
        theirs.head.weight.detach().T, kernel_tf, rtol=bound, atol=bound
    )
    np.testing.assert_allclose(
        theirs.head.bias.detach(), bias_tf, rtol=bound, atol=bound
    )
    assert not np.allclose(kernel_tf, kernel.astype(policy), atol=1e-4)
    # the body, statistics of batch norm included, is untouched to the bit
    assert same(body_tf.get_weights(), frozen_tf)
    for name, value in body_torch.state_dict().items():
        assert torch.equal(value, frozen_torch[name]), name


def test_frozen_body_stays_in_eval_mode(rng: np.random.Generator) -> None:
    body_tf, body = bodies(rng)
    model = in_pytorch.FrozenBody(body, 5, 4)
    assert model.training
    for mode in (True, False, True):
        assert model.train(mode) is model
        assert model.head.training is mode
        assert not any(module.training for module in body.modules())
    x = rng.normal(size=(2, 7, 9, 3)).astype("float32")
    ours = in_tensorflow.FrozenBody(body_tf, 5, 4)
    np.testing.assert_array_equal(ours(x, training=True), ours(x))
    assert [w.shape for w in ours.trainable_variables] == [(5, 4), (4,)]
    # what the class is for: freezing alone does not stop the statistics
    frozen = bodies(rng)[1].requires_grad_(False)
    before = copy.deepcopy(frozen.state_dict())
    frozen.train()(torch.tensor(x.transpose(0, 3, 1, 2)))
    mean = "1.running_mean"
    assert not torch.equal(frozen.state_dict()[mean], before[mean])


def test_train_head_leaves_the_model_in_eval_mode() -> None:
    model = in_pytorch.FrozenBody(nn.Identity(), 3, 2)
    x, y = torch.eye(3), torch.tensor([0, 1, 1])
    assert len(in_pytorch.train_head(model, x, y, 3, 0.5)) == 3
    assert not model.training


# ------------------------------------------------- what the page says of the libraries


def test_the_strides_of_resnet50_differ() -> None:
    ours = keras.applications.ResNet50(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    with torch.device("meta"):
        theirs = models.resnet50()
    for stage in (3, 4, 5):
        one, three = (
            ours.get_layer(f"conv{stage}_block1_{i}_conv").strides for i in (1, 2)
        )
        block = getattr(theirs, f"layer{stage - 1}")[0]
        assert (one, three) == ((2, 2), (1, 1))
        assert (block.conv1.stride, block.conv2.stride) == ((1, 1), (2, 2))


@pytest.mark.parametrize(
    "family, mode",
    [
        ("mobilenet", "tf"),
        ("mobilenet_v2", "tf"),
        ("inception_v3", "tf"),
        ("xception", "tf"),
        ("resnet_v2", "tf"),
        ("nasnet", "tf"),
        ("densenet", "torch"),
        ("resnet", "caffe"),
        ("vgg16", "caffe"),
    ],
)
def test_the_modes_of_keras_applications(
    family: str, mode: str, rng: np.random.Generator
) -> None:
    image = rng.uniform(0, 255, size=(1, 5, 7, 3)).astype("float32")
    given = image.copy()
    ours = getattr(keras.applications, family).preprocess_input(given)
    assert not np.array_equal(given, image)  # edited in place
    theirs = in_pytorch.preprocess(torch.tensor(image).permute(0, 3, 1, 2), mode)
    np.testing.assert_allclose(theirs.permute(0, 2, 3, 1), ours, rtol=1e-6, atol=2e-5)


def test_the_names_of_the_heads() -> None:
    heads = {
        "mobilenet_v2": "classifier",
        "vgg16": "classifier",
        "efficientnet_b0": "classifier",
        "resnet18": "fc",
        "vit_b_16": "heads",
    }
    for name, head in heads.items():
        with torch.device("meta"):
            model = models.get_model(name)
        assert hasattr(model, head), name


def test_pretrained_is_deprecated() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        models.mobilenet_v2(pretrained=False, width_mult=WIDTH)
    assert "'pretrained' is deprecated" in str(caught[0].message)
