"""Compares the arguments of both sides of a row, one by one.

Everything here is read from the lists of installed signatures, so that the
page and the look-up say what the versions at hand do.
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from migrate_examples.api_map import Row
from migrate_examples.api_map.symbols import (
    TORCH_SYMBOLS,
    Parameter,
    main_name,
    parameters,
    symbol,
)

SHORT = {"F": "torch.nn.functional", "nn": "torch.nn", "torch": "torch"}
RENAMED = {
    "axes": "dims",
    "axis": "dim",
    "dilation_rate": "dilation",
    "dilations": "dilation",
    "epsilon": "eps",
    "features": "input",
    "filters": "out_channels",
    "input_tensor": "input",
    "keepdims": "keepdim",
    "learning_rate": "lr",
    "logits": "input",
    "num_or_size_splits": "split_size_or_sections",
    "pool_size": "kernel_size",
    "rate": "p",
    "rho": "alpha",
    "strides": "stride",
    "tensor": "input",
    "units": "out_features",
    "use_bias": "bias",
    "values": "tensors",
    "x": "input",
    "y": "other",
    "y_pred": "input",
    "y_true": "target",
}
"""What arguments of TensorFlow are called in PyTorch, where both have them."""


MEANS = {
    "'sum_over_batch_size'": "mean",
    "'valid'": "0.0",
    "None": "0.0",
    "()": "0.0",
    "False": "0.0",
    "...": "0.0",
}
"""Defaults that say in other words what a default of PyTorch says."""


class Argument(NamedTuple):
    """An argument of either side, or of both.

    Attributes
    ----------
    tf, torch : str
        Its names; empty where a side lacks it.
    tf_default, torch_default : str or None
        Source of the defaults; None where it has to be given.
    remark : str
        What differs, in a few words; empty where nothing does.
    """

    tf: str
    tf_default: str | None
    torch: str
    torch_default: str | None
    remark: str


def torch_symbol(code: str) -> str | None:
    """Return the first name of a PyTorch side whose parameters are known.

    >>> torch_symbol("nn.Dropout(0.5).eval()(x)")
    'torch.nn.Dropout'
    >>> torch_symbol("x.mean(dim=1)")
    'torch.Tensor.mean'
    """
    for node in ast.walk(ast.parse(code.strip())):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            found = name and symbol(name, TORCH_SYMBOLS)
            if found and found.signature:
                return found.name
    return None


def dotted(node: ast.expr) -> str | None:
    """Full name of what a call calls: of a tensor's method where it is none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not parts:
        return None
    if isinstance(node, ast.Name) and node.id in SHORT:
        return ".".join([SHORT[node.id], *reversed(parts)])
    return f"torch.Tensor.{parts[0]}" if len(parts) == 1 else None


def compare(row: Row) -> list[Argument]:
    """Compare the arguments of the symbols of both sides of a row.

    Returns
    -------
    list of Argument
        Those of TensorFlow in their order, then those that PyTorch alone has;
        empty where the parameters of a side are not known.

    Examples
    --------
    >>> row = Row("tf.reduce_sum(x, axis=1)", "torch.sum(x, dim=1)")
    >>> for argument in compare(row)[:2]:
    ...     print(argument.tf, argument.torch, argument.remark)
    input_tensor input another name
    axis dim another name
    """
    ours = symbol(main_name(row.symbol) or "")
    name = torch_symbol(row.torch)
    theirs = name and symbol(name, TORCH_SYMBOLS)
    if not ours or not theirs or not ours.signature or row.kind in {"lines", "tf1"}:
        return []
    tf_side = [p for p in parameters(ours.signature) if p.name != "name"]
    left = {p.name: p for p in parameters(theirs.signature)}
    if theirs.name.startswith("torch.Tensor."):
        left = {"input": Parameter("input", None), **left}
    found = []
    for p in tf_side:
        other = left.pop(p.name, None) or left.pop(RENAMED.get(p.name, ""), None)
        found.append(argument(p, other))
    return found + [argument(None, p) for p in left.values() if p.name != "out"]


def hidden_defaults(row: Row) -> list[str]:
    """Defaults that differ though the row says that both sides are the same.

    >>> row = Row("keras.layers.LayerNormalization()(x)", "nn.LayerNorm(7)(x)")
    >>> hidden_defaults(row)
    ['epsilon: another name; default 0.001 against 1e-05']
    """
    if row.kind != "same":
        return []
    return [
        f"{a.tf}: {a.remark}"
        for a in compare(row)
        if "default " in a.remark and a.tf not in {"dtype", "layout"}
    ]


def argument(ours: Parameter | None, theirs: Parameter | None) -> Argument:
    """Describe a pair of parameters, or one that stands alone."""
    return Argument(
        ours.name if ours else "",
        ours.default if ours else None,
        theirs.name if theirs else "",
        theirs.default if theirs else None,
        "; ".join(differences(ours, theirs)),
    )


def differences(ours: Parameter | None, theirs: Parameter | None) -> Iterator[str]:
    """What differs between two parameters."""
    if theirs is None:
        yield "TensorFlow only"
        return
    if ours is None:
        yield "PyTorch only"
        return
    if ours.name != theirs.name:
        yield "another name"
    if ours.default is None or theirs.default is None:
        if ours.default != theirs.default:
            side = "PyTorch" if theirs.default is None else "TensorFlow"
            yield f"{side} has no default"
    elif meaning(ours.default) != meaning(theirs.default):
        yield f"default {ours.default} against {theirs.default}"


def meaning(default: str) -> str:
    """Write defaults that mean the same in the same way.

    >>> meaning("(1, 1)") == meaning("1"), meaning("'valid'") == meaning("0")
    (True, True)
    """
    if default in MEANS:
        return MEANS[default]
    try:
        value = ast.literal_eval(default)
    except ValueError:
        return default
    if isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return str(float(value)) if isinstance(value, int | float) else str(value)
