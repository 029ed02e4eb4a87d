"""Automatic differentiation in PyTorch: tensors remember."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor


def gradient(
    function: Callable[[Tensor], Tensor], x: Tensor
) -> Tensor:
    """Gradient of a scalar function.

    Parameters
    ----------
    function : callable
        Maps a tensor to a scalar tensor.
    x : Tensor
        Where to differentiate; any shape, floating dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Examples
    --------
    >>> x = torch.tensor([1.0, 3.0])
    >>> gradient(lambda x: (x**2).sum(), x)
    tensor([2., 6.])
    """
    x = x.detach().requires_grad_()  # leave x itself alone
    y = function(x)
    return torch.autograd.grad(y, x)[0]


def gradients(
    function: Callable[..., Tensor],
    sources: Sequence[Tensor],
) -> list[Tensor | None]:
    """Gradients with respect to many sources at once.

    Parameters
    ----------
    function : callable
        Maps all sources to a scalar tensor.
    sources : sequence of Tensor
        Any shapes, floating dtype.

    Returns
    -------
    list of Tensor or None
        One a source; None where the function does not use it.

    Examples
    --------
    >>> a, b = torch.tensor(2.0), torch.tensor(5.0)
    >>> da, db = gradients(lambda a, b: a**3, [a, b])
    >>> float(da), db
    (12.0, None)
    """
    leaves = [s.detach().requires_grad_() for s in sources]
    y = function(*leaves)
    # without allow_unused, an unused source is an error
    found = torch.autograd.grad(y, leaves, allow_unused=True)
    return list(found)


def gradients_of_heads(
    trunk: Callable[[Tensor], Tensor],
    heads: Sequence[Callable[[Tensor], Tensor]],
    x: Tensor,
) -> list[Tensor]:
    """Gradients of several losses that share one forward pass.

    Parameters
    ----------
    trunk : callable
        The shared part, run once.
    heads : sequence of callable
        Each maps the trunk's output to a scalar tensor.
    x : Tensor
        Where to differentiate; any shape, floating dtype.

    Returns
    -------
    list of Tensor
        One a head, each of the shape of ``x``.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0])
    >>> heads = [torch.sum, torch.amax]
    >>> gradients_of_heads(torch.square, heads, x)
    [tensor([2., 4.]), tensor([0., 4.])]
    """
    x = x.detach().requires_grad_()
    hidden = trunk(x)
    losses = [head(hidden) for head in heads]
    # retain_graph: the trunk is walked more than once
    return [
        torch.autograd.grad(loss, x, retain_graph=True)[0]
        for loss in losses
    ]


def accumulated_gradient(
    function: Callable[[Tensor, Tensor], Tensor],
    weight: Tensor,
    batches: Iterable[Tensor],
) -> Tensor:
    """Sum of the gradients of several batches.

    Parameters
    ----------
    function : callable
        Maps weight and batch to a scalar tensor.
    weight : Tensor
        Any shape, floating dtype.
    batches : iterable of Tensor
        What the gradients are summed over; at least one.

    Returns
    -------
    Tensor
        Of the shape of ``weight``.

    Examples
    --------
    >>> weight = torch.tensor(2.0)
    >>> batches = [torch.tensor(1.0), torch.tensor(10.0)]
    >>> float(accumulated_gradient(torch.mul, weight, batches))
    11.0
    """
    weight = weight.detach().requires_grad_()
    for batch in batches:
        loss = function(weight, batch)
        loss.backward()  # adds to weight.grad by itself
    assert weight.grad is not None
    return weight.grad


def second_derivative(
    function: Callable[[Tensor], Tensor], x: Tensor
) -> Tensor:
    """Second derivative of an elementwise function.

    Parameters
    ----------
    function : callable
        Maps each element by itself, shape kept.
    x : Tensor
        Where to differentiate; any shape, floating dtype.

    Returns
    -------
    Tensor
        Of the shape of ``x``.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0])
    >>> second_derivative(lambda x: x**3, x)
    tensor([ 6., 12.])
    """
    x = x.detach().requires_grad_()
    y = function(x).sum()  # a tape sums; here you do
    (slope,) = torch.autograd.grad(y, x, create_graph=True)
    return torch.autograd.grad(slope.sum(), x)[0]


def jacobian(
    function: Callable[[Tensor], Tensor], x: Tensor
) -> Tensor:
    """Jacobian: each output by each input.

    Parameters
    ----------
    function : callable
        Maps a tensor to a tensor.
    x : Tensor
        Where to differentiate; any shape, floating dtype.

    Returns
    -------
    Tensor
        Shape of the output followed by the shape of ``x``.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0])
    >>> jacobian(lambda x: x * x.flip(0), x)
    tensor([[2., 1.],
            [2., 1.]])
    """
    return torch.func.jacrev(function)(x)


def hessian(
    function: Callable[[Tensor], Tensor], x: Tensor
) -> Tensor:
    """Hessian: all second derivatives of a scalar function.

    Parameters
    ----------
    function : callable
        Maps a tensor to a scalar tensor.
    x : Tensor
        Where to differentiate; any shape, floating dtype.

    Returns
    -------
    Tensor
        Shape of ``x`` twice.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0])
    >>> hessian(lambda x: x[0] ** 2 * x[1], x)
    tensor([[4., 2.],
            [2., 0.]])
    """
    return torch.func.hessian(function)(x)


def squared_error_to_target(
    prediction: Tensor, target: Tensor
) -> Tensor:
    """Mean squared error that sends no gradient to its target.

    Parameters
    ----------
    prediction, target : Tensor
        Of equal shape, floating dtype. The target may come from
        a network, as in a bootstrapped or a distilled loss.

    Returns
    -------
    Tensor
        Scalar.

    Examples
    --------
    >>> x = torch.tensor([3.0])
    >>> loss = lambda x: squared_error_to_target(x, x / 3)
    >>> gradient(loss, x)
    tensor([4.])
    """
    target = target.detach()
    return ((prediction - target) ** 2).mean()


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(
        ctx: Any, upstream: Tensor
    ) -> tuple[Tensor, None]:
        return -ctx.strength * upstream, None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """Identity whose gradient changes its sign.

    The gradient reversal layer of Ganin and Lempitsky (2015),
    "Unsupervised domain adaptation by backpropagation".

    Parameters
    ----------
    x : Tensor
        Any shape, floating dtype.
    strength : float
        The gradient is multiplied by ``-strength``.

    Returns
    -------
    Tensor
        Equal to ``x``.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0])
    >>> loss = lambda x: reverse_gradient(x, 0.5).sum()
    >>> gradient(loss, x)
    tensor([-0.5000, -0.5000])
    """
    return _ReverseGradient.apply(x, strength)


def safe_log(x: Tensor) -> Tensor:
    """Logarithm of the positive elements, 0 elsewhere.

    ``where`` alone is not enough: the branch that is not taken
    is differentiated too, and 0 times infinity is NaN.

    Parameters
    ----------
    x : Tensor
        Any shape, floating dtype.

    Returns
    -------
    Tensor
        Of the shape of ``x``; value and gradient are finite.

    Examples
    --------
    >>> x = torch.tensor([0.0, 2.0])
    >>> gradient(lambda x: safe_log(x).sum(), x)
    tensor([0.0000, 0.5000])
    """
    positive = x > 0
    inside = torch.where(positive, x, torch.ones_like(x))
    return torch.where(
        positive, inside.log(), torch.zeros_like(x)
    )
