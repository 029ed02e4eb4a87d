"""Automatic differentiation in TensorFlow: a tape records."""

from collections.abc import Callable, Iterable, Sequence

import tensorflow as tf


def gradient(
    function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor
) -> tf.Tensor:
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
    >>> x = tf.constant([1.0, 3.0])
    >>> gradient(lambda x: tf.reduce_sum(x**2), x).numpy()
    array([2., 6.], dtype=float32)
    """
    with tf.GradientTape() as tape:
        tape.watch(x)  # a constant is not watched by itself
        y = function(x)
    return tape.gradient(y, x)


def gradients(
    function: Callable[..., tf.Tensor],
    sources: Sequence[tf.Tensor],
) -> list[tf.Tensor | None]:
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
    >>> a, b = tf.constant(2.0), tf.constant(5.0)
    >>> da, db = gradients(lambda a, b: a**3, [a, b])
    >>> float(da), db
    (12.0, None)
    """
    with tf.GradientTape() as tape:
        tape.watch(sources)
        y = function(*sources)
    return tape.gradient(y, list(sources))


def gradients_of_heads(
    trunk: Callable[[tf.Tensor], tf.Tensor],
    heads: Sequence[Callable[[tf.Tensor], tf.Tensor]],
    x: tf.Tensor,
) -> list[tf.Tensor]:
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
    >>> x = tf.constant([1.0, 2.0])
    >>> heads = [tf.reduce_sum, tf.reduce_max]
    >>> a, b = gradients_of_heads(tf.square, heads, x)
    >>> a.numpy(), b.numpy()  # doctest: +NORMALIZE_WHITESPACE
    (array([2., 4.], dtype=float32),
     array([0., 4.], dtype=float32))
    """
    # persistent: one tape answers more than once
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        hidden = trunk(x)
        losses = [head(hidden) for head in heads]
    return [tape.gradient(loss, x) for loss in losses]


def accumulated_gradient(
    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    weight: tf.Tensor,
    batches: Iterable[tf.Tensor],
) -> tf.Tensor:
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
    >>> weight = tf.constant(2.0)
    >>> batches = [tf.constant(1.0), tf.constant(10.0)]
    >>> function = tf.multiply
    >>> float(accumulated_gradient(function, weight, batches))
    11.0
    """
    total = tf.zeros_like(weight)
    for batch in batches:
        with tf.GradientTape() as tape:
            tape.watch(weight)
            loss = function(weight, batch)
        total += tape.gradient(loss, weight)  # you add
    return total


def second_derivative(
    function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor
) -> tf.Tensor:
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
    >>> x = tf.constant([1.0, 2.0])
    >>> second_derivative(lambda x: x**3, x).numpy()
    array([ 6., 12.], dtype=float32)
    """
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = function(x)
        slope = inner.gradient(y, x)  # sums over y
    return outer.gradient(slope, x)


def jacobian(
    function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor
) -> tf.Tensor:
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
    >>> x = tf.constant([1.0, 2.0])
    >>> jacobian(lambda x: x * x[::-1], x).numpy()
    array([[2., 1.],
           [2., 1.]], dtype=float32)
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.jacobian(y, x)


def hessian(
    function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor
) -> tf.Tensor:
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
    >>> x = tf.constant([1.0, 2.0])
    >>> hessian(lambda x: x[0] ** 2 * x[1], x).numpy()
    array([[4., 2.],
           [2., 0.]], dtype=float32)
    """
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = function(x)
        slope = inner.gradient(y, x)
    return outer.jacobian(slope, x)


def squared_error_to_target(
    prediction: tf.Tensor, target: tf.Tensor
) -> tf.Tensor:
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
    >>> x = tf.constant([3.0])
    >>> loss = lambda x: squared_error_to_target(x, x / 3)
    >>> gradient(loss, x).numpy()
    array([4.], dtype=float32)
    """
    target = tf.stop_gradient(target)
    return tf.reduce_mean((prediction - target) ** 2)


def reverse_gradient(
    x: tf.Tensor, strength: float
) -> tf.Tensor:
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
    >>> x = tf.constant([1.0, 2.0])
    >>> reverse = lambda x: reverse_gradient(x, 0.5)
    >>> gradient(lambda x: tf.reduce_sum(reverse(x)), x).numpy()
    array([-0.5, -0.5], dtype=float32)
    """

    @tf.custom_gradient
    def reverse(
        x: tf.Tensor,
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def backward(upstream: tf.Tensor) -> tf.Tensor:
            return -strength * upstream

        return tf.identity(x), backward

    return reverse(x)


def safe_log(x: tf.Tensor) -> tf.Tensor:
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
    >>> x = tf.constant([0.0, 2.0])
    >>> total = lambda x: tf.reduce_sum(safe_log(x))
    >>> gradient(total, x).numpy()
    array([0. , 0.5], dtype=float32)
    """
    positive = x > 0
    inside = tf.where(positive, x, tf.ones_like(x))
    return tf.where(
        positive, tf.math.log(inside), tf.zeros_like(x)
    )
