"""Both sides of each twin of automatic differentiation, on random inputs."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import torch

from migrate_examples.autodiff import in_pytorch, in_tensorflow

# A few roundings of sums and of the libraries' own sin, exp and log.
RTOL = {"float32": 1e-5, "float64": 1e-12}


def agree(theirs: object, ours: object, dtype: str) -> None:
    """Assert equal dtype and equal values but for rounding."""
    left, right = np.asarray(ours), np.asarray(theirs)
    assert left.dtype == right.dtype == dtype
    np.testing.assert_allclose(right, left, rtol=RTOL[dtype], atol=RTOL[dtype])


@pytest.fixture
def x(rng: np.random.Generator, dtype: str) -> np.ndarray:
    return rng.normal(size=(3, 5)).astype(dtype)


def test_gradient(x: np.ndarray, dtype: str) -> None:
    ours = in_tensorflow.gradient(
        lambda x: tf.reduce_sum(tf.sin(x) * tf.exp(x)), tf.constant(x)
    )
    theirs = in_pytorch.gradient(lambda x: (x.sin() * x.exp()).sum(), torch.tensor(x))
    agree(theirs, ours, dtype)


def test_gradients_leave_the_unconnected_source_without(
    x: np.ndarray, dtype: str
) -> None:
    ours = in_tensorflow.gradients(
        lambda a, b, c: tf.reduce_sum(a * b**2), [tf.constant(x + n) for n in range(3)]
    )
    theirs = in_pytorch.gradients(
        lambda a, b, c: (a * b**2).sum(), [torch.tensor(x + n) for n in range(3)]
    )
    assert ours[2] is None
    assert theirs[2] is None
    agree(theirs[0], ours[0], dtype)
    agree(theirs[1], ours[1], dtype)


def test_gradients_of_heads_run_the_trunk_once(x: np.ndarray, dtype: str) -> None:
    runs = {"tf": 0, "torch": 0}

    def trunk_tf(x: tf.Tensor) -> tf.Tensor:
        runs["tf"] += 1
        return tf.tanh(x)

    def trunk_torch(x: torch.Tensor) -> torch.Tensor:
        runs["torch"] += 1
        return x.tanh()

    heads_tf = [tf.reduce_sum, tf.reduce_max, lambda h: tf.reduce_sum(h**3)]
    heads_torch: list[Callable[..., torch.Tensor]] = [
        torch.sum,
        torch.amax,
        lambda h: (h**3).sum(),
    ]
    ours = in_tensorflow.gradients_of_heads(trunk_tf, heads_tf, tf.constant(x))
    theirs = in_pytorch.gradients_of_heads(trunk_torch, heads_torch, torch.tensor(x))
    assert runs == {"tf": 1, "torch": 1}
    for left, right in zip(ours, theirs, strict=True):
        agree(right, left, dtype)


def test_accumulated_gradient(x: np.ndarray, dtype: str) -> None:
    weight = x[0]
    ours = in_tensorflow.accumulated_gradient(
        lambda w, batch: tf.reduce_sum(tf.sin(w * batch)),
        tf.constant(weight),
        [tf.constant(row) for row in x],
    )
    source = torch.tensor(weight)
    theirs = in_pytorch.accumulated_gradient(
        lambda w, batch: (w * batch).sin().sum(), source, list(torch.tensor(x))
    )
    agree(theirs, ours, dtype)
    assert source.grad is None, "the caller's tensor is left alone"


def test_second_derivative(x: np.ndarray, dtype: str) -> None:
    ours = in_tensorflow.second_derivative(lambda x: tf.sin(x) * x**2, tf.constant(x))
    theirs = in_pytorch.second_derivative(lambda x: x.sin() * x**2, torch.tensor(x))
    agree(theirs, ours, dtype)


def test_jacobian(x: np.ndarray, dtype: str) -> None:
    weight = x[:, :4].copy()  # (3, 4): outputs and inputs differ in number
    ours = in_tensorflow.jacobian(
        lambda v: tf.sin(tf.linalg.matvec(tf.constant(weight), v, transpose_a=True)),
        tf.constant(x[:, 4]),
    )
    theirs = in_pytorch.jacobian(
        lambda v: (torch.tensor(weight).T @ v).sin(), torch.tensor(x[:, 4])
    )
    assert theirs.shape == (4, 3)
    agree(theirs, ours, dtype)


def test_hessian(x: np.ndarray, dtype: str) -> None:
    ours = in_tensorflow.hessian(
        lambda x: tf.reduce_prod(x) + tf.reduce_sum(x**3), tf.constant(x[0])
    )
    theirs = in_pytorch.hessian(lambda x: x.prod() + (x**3).sum(), torch.tensor(x[0]))
    agree(theirs, ours, dtype)


def test_squared_error_to_target(x: np.ndarray, dtype: str) -> None:
    ours = in_tensorflow.gradient(
        lambda x: in_tensorflow.squared_error_to_target(tf.sin(x), x**2), tf.constant(x)
    )
    theirs = in_pytorch.gradient(
        lambda x: in_pytorch.squared_error_to_target(x.sin(), x**2), torch.tensor(x)
    )
    agree(theirs, ours, dtype)
    only_prediction = 2 * (np.sin(x) - x**2) * np.cos(x) / x.size
    agree(theirs, only_prediction, dtype)


def test_reverse_gradient(x: np.ndarray, dtype: str) -> None:
    ours = in_tensorflow.gradient(
        lambda x: tf.reduce_sum(in_tensorflow.reverse_gradient(tf.sin(x), 0.3)),
        tf.constant(x),
    )
    theirs = in_pytorch.gradient(
        lambda x: in_pytorch.reverse_gradient(x.sin(), 0.3).sum(), torch.tensor(x)
    )
    agree(theirs, ours, dtype)
    agree(in_pytorch.reverse_gradient(torch.tensor(x), 0.3), x, dtype)


def test_reverse_gradient_passes_gradcheck(rng: np.random.Generator) -> None:
    x = torch.tensor(rng.normal(size=4), requires_grad=True)
    # reversed twice, the gradient is that of the identity
    assert torch.autograd.gradcheck(
        lambda x: in_pytorch.reverse_gradient(in_pytorch.reverse_gradient(x, 1.0), 1.0),
        x,
    )


def test_safe_log_is_finite_where_the_naive_form_is_nan(
    x: np.ndarray, dtype: str
) -> None:
    x[0, :3] = 0.0, -0.0, -1.0
    ours = in_tensorflow.gradient(
        lambda x: tf.reduce_sum(in_tensorflow.safe_log(x)), tf.constant(x)
    )
    theirs = in_pytorch.gradient(
        lambda x: in_pytorch.safe_log(x).sum(), torch.tensor(x)
    )
    agree(theirs, ours, dtype)
    agree(
        in_pytorch.safe_log(torch.tensor(x)),
        in_tensorflow.safe_log(tf.constant(x)),
        dtype,
    )
    naive = in_pytorch.gradient(
        lambda x: torch.where(x > 0, x.log(), 0.0).sum(), torch.tensor(x)
    )
    assert naive.isnan().any()
    assert theirs.isfinite().all()
