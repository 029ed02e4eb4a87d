"""While a call is traced: what Keras would compute at once is recorded instead."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras


@contextmanager
def symbolic(constants: dict[int, Any]) -> Iterator[None]:
    """Record calls on plain arrays, and operations on variables alone.

    ``self.positions(ops.arange(n))`` and ``ops.transpose(self.table.embeddings)``
    would otherwise be computed here and now: a constant in the written module, in
    the place of something that is trained.

    Parameters
    ----------
    constants : dict
        Takes the arrays, by ``id`` of the symbolic tensor that stands for each.
    """
    inside: list[bool] = []  # calls of layers: their code is not what is traced
    plain_call = keras.Layer.__call__

    def call(self: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        flat = keras.tree.flatten((args, kwargs))
        tensors = any(isinstance(item, keras.KerasTensor) for item in flat)
        if not tensors and not inside:
            args, kwargs = keras.tree.map_structure(
                lambda item: _stand_in(item, constants), (args, kwargs)
            )
        inside.append(True)
        try:
            return plain_call(self, *args, **kwargs)
        finally:
            inside.pop()

    def decide(plain: Callable[..., bool]) -> Callable[..., bool]:
        def any_symbolic_tensors(args: Any = None, kwargs: Any = None) -> bool:
            if plain(args, kwargs):
                return True
            flat = keras.tree.flatten((args, kwargs))
            variables = any(isinstance(item, keras.Variable) for item in flat)
            return variables and not inside

        return any_symbolic_tensors

    name = "any_symbolic_tensors"
    modules = [
        module
        for path, module in sys.modules.items()
        if path.startswith("keras.src.ops.") and path != "keras.src.ops.operation"
    ]
    before = [(m, vars(m)[name]) for m in modules if name in vars(m)]
    keras.Layer.__call__ = call
    for module, plain in before:
        setattr(module, name, decide(plain))
    try:
        yield
    finally:
        keras.Layer.__call__ = plain_call
        for module, plain in before:
            setattr(module, name, plain)


def _stand_in(item: Any, constants: dict[int, Any]) -> Any:
    """A symbolic tensor in the place of an array."""
    if not keras.ops.is_tensor(item):
        return item
    dtype = keras.backend.standardize_dtype(item.dtype)
    tensor = keras.KerasTensor(tuple(item.shape), dtype=dtype)
    constants[id(tensor)] = (tensor, item)
    return tensor
