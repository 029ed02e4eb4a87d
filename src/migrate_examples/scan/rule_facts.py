"""What is known of functions, and rows of the map cannot say.

Each of these facts is under test, in both directions: what is listed is so, and
no rule without it is wrong.
"""

import ast

MODULES = {"torch": "torch", "F": "torch.nn.functional", "nn": "torch.nn"}
"""Names that the PyTorch side of a row may use, and what they are."""

NARROW = {
    "keras.ops.bincount": "Keras counts tensors of any shape, PyTorch of one axis",
    "keras.ops.ceil": "of whole numbers Keras makes floats",
    "keras.ops.cross": "Keras takes vectors of two numbers, and of unlike shapes",
    "keras.ops.fabs": "of whole numbers Keras makes floats",
    "keras.ops.floor": "of whole numbers Keras makes floats",
    "keras.ops.isclose": "whole numbers are compared otherwise",
    "keras.ops.rot90": "half a turn about other axes differs",
    "keras.ops.top_k": "which of equal values comes first differs",
    "keras.ops.unravel_index": "of a matrix of indices Keras gives the axes transposed",
    "keras.ops.vander": "of truths Keras keeps the type",
    "tf.bitcast": "to a smaller type TensorFlow adds an axis, PyTorch does not",
    "tf.boolean_mask": "whole numbers are a mask in TensorFlow and indices in PyTorch",
    "tf.math.bincount": "TensorFlow counts tensors of any shape, PyTorch of one axis",
    "tf.math.top_k": "which of equal values comes first differs",
}
"""Functions whose row holds for its own shape, dtype or values, and why."""

ONE_MATRIX = {"T", "t", "H", "adjoint"}
"""Of a tensor with two dimensions: a row that uses them shows that case alone."""

NUMBERS = {
    *("torch.add", "torch.subtract", "torch.sub", "torch.multiply", "torch.mul"),
    *("torch.divide", "torch.div", "torch.true_divide", "torch.floor_divide"),
    *("torch.remainder", "torch.fmod", "torch.pow"),
    *("torch.eq", "torch.ne", "torch.lt", "torch.le", "torch.gt", "torch.ge"),
}
"""Functions of PyTorch whose second argument may be a plain number."""

DIMENSIONS = {"dim", "dim0", "dim1", "dim2"}
"""Keywords of PyTorch for one axis."""

GIVES = {
    **dict.fromkeys(("ndim", "numel"), "number"),
    **dict.fromkeys(
        ("is_tensor", "is_floating_point", "is_complex", "allclose"), "truth"
    ),
    **dict.fromkeys(("split", "chunk", "unbind", "meshgrid"), "several"),
    **dict.fromkeys(("slogdet", "svd", "eigh", "eig", "qr", "lu", "topk"), "several"),
    **dict.fromkeys(("tensor_split", "dsplit", "hsplit", "vsplit"), "several"),
    **dict.fromkeys(("unique", "sort", "var_mean", "frexp"), "several"),
}
"""What functions and attributes of PyTorch give that is not one tensor."""

FORMULAS = {"equation"}
"""Parameters whose text means the same in both, whatever it is."""

LAYOUTS = {"NWC", "NHWC", "NDHWC"}
"""Marks of inputs whose axes PyTorch has in another order."""

WHOLE = (
    ast.Call,
    ast.Attribute,
    ast.Subscript,
    ast.BinOp,
    ast.Compare,
    ast.UnaryOp,
)
"""What a template may be."""

FORBIDDEN = (
    ast.Lambda,
    ast.IfExp,
    ast.Slice,
    ast.Starred,
    ast.NamedExpr,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Dict,
    ast.JoinedStr,
)
"""What a template may not have: it would not be one call or one operator."""
