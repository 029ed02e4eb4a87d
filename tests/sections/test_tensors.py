"""Both sides of each twin of tensor creation, on random inputs."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from migrate_examples.tensors import in_pytorch, in_tensorflow

# Two units in the last place: one rounding more on either side.
RTOL = {"float32": 2.4e-7, "float64": 4.5e-16}


def same(theirs: object, ours: object) -> None:
    """Assert equal dtype, shape and bits: nothing here has reason to round."""
    left, right = np.asarray(ours), np.asarray(theirs)
    assert left.dtype == right.dtype
    np.testing.assert_array_equal(right, left, strict=True)


@pytest.fixture
def photographs(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, size=(2, 5, 7, 3), dtype="uint8")


@pytest.fixture
def images(rng: np.random.Generator, dtype: str) -> np.ndarray:
    return rng.normal(size=(2, 5, 7, 3)).astype(dtype)


def nchw(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images.transpose(0, 3, 1, 2).copy())


def nhwc(images: torch.Tensor) -> np.ndarray:
    return images.numpy().transpose(0, 2, 3, 1)


def test_images_from_numpy(photographs: np.ndarray) -> None:
    ours = in_tensorflow.images_from_numpy(photographs)
    theirs = in_pytorch.images_from_numpy(photographs)
    assert theirs.shape == (2, 3, 5, 7)
    same(nhwc(theirs), ours)
    np.testing.assert_allclose(ours, photographs / 255, rtol=RTOL["float32"])


def test_images_from_numpy_does_not_share(photographs: np.ndarray) -> None:
    before = photographs.astype("float32") / 255
    ours = in_tensorflow.images_from_numpy(photographs)
    theirs = in_pytorch.images_from_numpy(photographs)
    photographs ^= 255
    np.testing.assert_array_equal(ours, before)
    np.testing.assert_array_equal(nhwc(theirs), before)


@pytest.mark.parametrize("side", [in_tensorflow, in_pytorch])
@pytest.mark.parametrize("wrong", ["float32", "int64", "bool"])
def test_images_from_numpy_refuses_other_dtypes(side: object, wrong: str) -> None:
    with pytest.raises(TypeError, match=rf"images of dtype {wrong}: give uint8"):
        side.images_from_numpy(np.zeros((1, 2, 3, 3), wrong))  # type: ignore[attr-defined]


def test_images_to_numpy(images: np.ndarray) -> None:
    # N(0, 1) leaves the range on both ends; 0.5 / 255 is a tie
    images[0, 0, 0] = 0.5 / 255, 1.5 / 255, 2.0
    ours = in_tensorflow.images_to_numpy(tf.constant(images))
    theirs = in_pytorch.images_to_numpy(nchw(images))
    assert ours.dtype == theirs.dtype == np.uint8
    assert ours.min() == 0
    assert ours.max() == 255
    same(theirs, ours)


def test_images_to_numpy_brings_every_level_back() -> None:
    levels = np.arange(256, dtype="uint8").reshape(1, 8, 32, 1)
    for side in (in_tensorflow, in_pytorch):
        again = side.images_to_numpy(side.images_from_numpy(levels))
        np.testing.assert_array_equal(again, levels, strict=True)


def test_images_to_numpy_takes_a_tensor_with_gradient() -> None:
    images = torch.full((1, 3, 2, 4), 0.25, requires_grad=True)
    assert in_pytorch.images_to_numpy(images).shape == (1, 2, 4, 3)


def test_normalise(images: np.ndarray, dtype: str) -> None:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        ours = in_tensorflow.normalise(x, mean, std)
        total = tf.reduce_sum(ours**2)
    y = nchw(images).requires_grad_()
    theirs = in_pytorch.normalise(y, mean, std)
    (slope,) = torch.autograd.grad((theirs**2).sum(), y)
    assert ours.dtype == dtype
    assert theirs.numpy(force=True).dtype == dtype
    rtol = 2 * RTOL[dtype]
    np.testing.assert_allclose(nhwc(theirs.detach()), ours, rtol=rtol)
    np.testing.assert_allclose(nhwc(slope), tape.gradient(total, x), rtol=4 * rtol)
    np.testing.assert_allclose(ours, (images - mean) / std, rtol=1e-5, atol=1e-5)


def test_flatten_images(images: np.ndarray) -> None:
    ours = in_tensorflow.flatten_images(tf.constant(images))
    theirs = in_pytorch.flatten_images(nchw(images))
    same(ours, images.reshape(2, -1))
    same(theirs, ours)
    # flatten alone: the same shape, another order
    assert not np.array_equal(nchw(images).flatten(1), ours)


def test_flatten_images_inside_a_graph_of_unknown_batch(images: np.ndarray) -> None:
    spec = tf.TensorSpec((None, 5, 7, 3), images.dtype)
    graph = tf.function(in_tensorflow.flatten_images, input_signature=[spec])
    same(graph(images), images.reshape(2, -1))


def test_seeded_normal_repeats_and_leaves_global_state_alone() -> None:
    for side in (in_tensorflow, in_pytorch):
        tf.random.set_seed(0)
        torch.manual_seed(0)
        state = torch.get_rng_state()
        first = side.seeded_normal((5, 7, 3), seed=4)
        same(side.seeded_normal((5, 7, 3), seed=4), first)
        assert not np.array_equal(side.seeded_normal((5, 7, 3), seed=5), first)
        assert torch.equal(torch.get_rng_state(), state)
        drawn = tf.random.normal((2,))  # TensorFlow's own counter did not move
        tf.random.set_seed(0)
        same(tf.random.normal((2,)), drawn)


def test_seeded_normal_has_one_distribution_and_two_streams() -> None:
    count = 200_000
    ours = in_tensorflow.seeded_normal((count,), seed=4).numpy()
    theirs = in_pytorch.seeded_normal((count,), seed=4).numpy()
    assert ours.dtype == theirs.dtype == np.float32
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 5 / count**0.5
    # Kolmogorov and Smirnov: 1.95 * sqrt(2 / n) is passed by one pair in a thousand.
    grid = np.linspace(-4, 4, 401)
    share = [np.searchsorted(np.sort(x), grid) / count for x in (ours, theirs)]
    assert np.abs(share[0] - share[1]).max() < 1.95 * (2 / count) ** 0.5


@pytest.mark.parametrize("size", [(5, 7), (1, 4), (6, 1)])
def test_coordinate_grid(size: tuple[int, int]) -> None:
    ours = in_tensorflow.coordinate_grid(*size)
    theirs = in_pytorch.coordinate_grid(*size)
    assert theirs.shape == (*size, 2)
    assert ours.dtype == "float32"
    assert theirs.dtype == torch.float32
    np.testing.assert_allclose(theirs, ours, atol=RTOL["float32"])
    assert ours[0, 0, 0] == ours[0, 0, 1] == -1


@pytest.mark.parametrize("plan", [(11, 3, 2), (11, 4, 5), (11, 11, 1), (11, 1, 1)])
def test_windows(plan: tuple[int, int, int], images: np.ndarray) -> None:
    time, size, step = plan
    series = images.reshape(-1)[:time]
    ours = in_tensorflow.windows(tf.constant(series), size, step)
    theirs = in_pytorch.windows(torch.tensor(series), size, step)
    assert theirs.shape == ((time - size) // step + 1, size)
    same(theirs, ours)


def test_windows_says_what_is_too_short() -> None:
    message = "a series of 4 has no window of 5"
    with pytest.raises(ValueError, match=message):
        in_tensorflow.windows(tf.range(4), 5, 1)
    with pytest.raises(ValueError, match=message):
        in_pytorch.windows(torch.arange(4), 5, 1)


@pytest.mark.parametrize("pair", [("int32", "float32"), ("float64", "int64")])
@pytest.mark.parametrize("result", ["float16", "float32", "float64", "int32"])
def test_add_as(pair: tuple[str, str], result: str, rng: np.random.Generator) -> None:
    a = (4 * rng.normal(size=(5, 1))).astype(pair[0])
    b = (4 * rng.normal(size=(1, 3))).astype(pair[1])
    ours = in_tensorflow.add_as(tf.constant(a), tf.constant(b), tf.as_dtype(result))
    theirs = in_pytorch.add_as(torch.tensor(a), torch.tensor(b), getattr(torch, result))
    assert ours.dtype == result
    same(theirs, ours)


def test_pick_each(images: np.ndarray, rng: np.random.Generator) -> None:
    scores, labels = images.reshape(30, 7), rng.integers(0, 7, size=30)
    x = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(x)
        ours = in_tensorflow.pick_each(x, tf.constant(labels))
        total = tf.reduce_sum(ours**2)
    y = torch.tensor(scores, requires_grad=True)
    theirs = in_pytorch.pick_each(y, torch.tensor(labels))
    (slope,) = torch.autograd.grad((theirs**2).sum(), y)
    same(theirs.detach(), ours)
    same(ours, scores[np.arange(30), labels])
    same(slope, tf.convert_to_tensor(tape.gradient(total, x)))


def test_pick_each_out_of_range_is_an_error_on_both_sides() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="not in"):
        in_tensorflow.pick_each(tf.zeros((1, 3)), tf.constant([3]))
    with pytest.raises(RuntimeError, match="out of bounds"):
        in_pytorch.pick_each(torch.zeros(1, 3), torch.tensor([3]))


def test_values_at(images: np.ndarray, rng: np.random.Generator) -> None:
    points = rng.integers(0, (2, 5, 7, 3), size=(11, 4))
    ours = in_tensorflow.values_at(tf.constant(images), tf.constant(points))
    theirs = in_pytorch.values_at(torch.tensor(images), torch.tensor(points))
    same(theirs, ours)
    same(ours, images[tuple(points.T)])


def test_select_pixels(images: np.ndarray, rng: np.random.Generator) -> None:
    mask = rng.random((2, 5, 7)) < 0.3
    ours = in_tensorflow.select_pixels(tf.constant(images), tf.constant(mask))
    theirs = in_pytorch.select_pixels(nchw(images), torch.tensor(mask))
    assert theirs.shape == (mask.sum(), 3)
    same(theirs, ours)
    same(ours, images[mask])


def test_set_rows(images: np.ndarray, rng: np.random.Generator) -> None:
    x, values = images[0], -images[1, :3]
    rows = rng.permutation(5)[:3]
    base = tf.constant(x), torch.tensor(x)
    ours = in_tensorflow.set_rows(base[0], tf.constant(rows), tf.constant(values))
    theirs = in_pytorch.set_rows(base[1], torch.tensor(rows), torch.tensor(values))
    same(theirs, ours)
    expected = x.copy()
    expected[rows] = values
    same(ours, expected)
    same(base[0], x)
    same(base[1], x)


def test_add_at_counts_repeats(images: np.ndarray, dtype: str) -> None:
    x, values = images[0], images[1, [0, 1, 2, 3, 4, 0]]
    rows = np.array([4, 0, 0, 2, 0, 4])
    base = tf.constant(x), torch.tensor(x)
    ours = in_tensorflow.add_at(base[0], tf.constant(rows), tf.constant(values))
    theirs = in_pytorch.add_at(base[1], torch.tensor(rows), torch.tensor(values))
    assert ours.dtype == dtype
    expected = x.copy()
    np.add.at(expected, rows, values)
    # the order of the three sums is not promised
    tolerance = 4 * RTOL[dtype]
    np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)
    same(base[1], x)


def test_descend_changes_in_place(images: np.ndarray, dtype: str) -> None:
    ours = tf.Variable(images[0])
    theirs = torch.nn.Parameter(torch.tensor(images[0]))
    kept = theirs
    for _ in range(3):
        in_tensorflow.descend(ours, tf.constant(images[1]), 0.1)
        in_pytorch.descend(theirs, torch.tensor(images[1]), 0.1)
    assert kept is theirs
    assert theirs.requires_grad
    assert theirs.is_leaf
    assert ours.dtype == dtype
    assert not np.allclose(ours, images[0])
    tolerance = 4 * RTOL[dtype]
    np.testing.assert_allclose(theirs.detach(), ours, rtol=tolerance, atol=tolerance)
