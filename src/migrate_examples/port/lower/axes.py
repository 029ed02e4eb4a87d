"""Axes and layouts: where an axis of Keras stands in the written module."""

from collections.abc import Sequence
from typing import Any

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.lower import UnsupportedError
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Layout, Local


def axis_in(layout: Layout, axis: int, rank: int) -> int:
    """Where an axis of a Keras tensor stands in a layout.

    >>> axis_in(Layout.FIRST, -1, rank=4), axis_in(Layout.FIRST, 1, rank=4)
    (1, 2)
    >>> axis_in(Layout.LAST, 2, rank=4)
    2
    """
    axis %= rank
    if layout is Layout.LAST or axis == 0 or rank <= 2:
        return axis
    return 1 if axis == rank - 1 else axis + 1


def images_layout(call: Call) -> Layout:
    """Layout in which an input of images has its channels second.

    ``data_format="channels_first"`` says that Keras has it so already.
    """
    if call.config.get("data_format") == "channels_first":
        return Layout.LAST
    return Layout.FIRST


def spatial(call: Call) -> tuple[int | None, ...]:
    """Sizes of the axes that are neither batch nor channels."""
    shape = call.inputs[0].shape
    return shape[2:] if images_layout(call) is Layout.LAST else shape[1:-1]


def channels(call: Call) -> int:
    """Channels of an input of images."""
    shape = call.inputs[0].shape
    size = shape[1] if images_layout(call) is Layout.LAST else shape[-1]
    if size is None:
        raise UnsupportedError(
            "the number of channels is not known: give it to keras.Input"
        )
    return size


def common_layout(body: Body, values: Sequence[Value]) -> Layout:
    """Layout in which to compute element by element: that of most work done."""
    made = {body.layout_of(value) for value in values if value.rank > 2}
    return Layout.FIRST if Layout.FIRST in made else Layout.LAST


def take_all(body: Body, values: Sequence[Value], layout: Layout) -> list[Local]:
    """Return several tensors in one layout."""
    return [body.take(value, layout) for value in values]


def numbers(value: Any, count: int) -> tuple[int, ...]:
    """Spell out a setting for each axis: 2 and (2, 2) are the same.

    >>> numbers(2, 3), numbers([1, 2], 2)
    ((2, 2, 2), (1, 2))
    """
    if isinstance(value, int):
        return (value,) * count
    return tuple(int(size) for size in value)


def short(sizes: Sequence[int]) -> int | tuple[int, ...]:
    """Write a setting as people do: one number where all axes have the same.

    >>> short((3, 3)), short((3, 5))
    (3, (3, 5))
    """
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)


def dims(axes: Sequence[int]) -> str:
    """Print axes as an argument.

    >>> dims([1]), dims([2, 3])
    ('1', '(2, 3)')
    """
    return str(axes[0]) if len(axes) == 1 else str(tuple(axes))


def sizes_of(call: Call, axes: Sequence[int]) -> tuple[int, ...]:
    """Sizes of some axes of the input, which must be known."""
    shape = call.inputs[0].shape
    sizes = tuple(shape[axis] for axis in axes)
    if any(size is None for size in sizes):
        raise UnsupportedError(
            f"the sizes of axes {list(axes)} of {shape} must be known: give them to "
            "keras.Input"
        )
    return tuple(size for size in sizes if size is not None)
