"""Lets a CUDA build of torchvision import beside a CPU build of torch.

The two then do not share compiled operators, and ``import torchvision`` ends
with "operator torchvision::nms does not exist". Declaring the two operators
that torchvision registers fake kernels for is enough to import it; everything
written in Python works then, ``nms`` itself does not. Readers should install
matching builds instead; this is for the site's own build and tests.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def declare_missing_operators() -> object | None:
    """Declare ``torchvision::nms`` and ``qnms`` if torchvision's binary cannot load.

    Returns
    -------
    torch.library.Library or None
        The declaration, which lives as long as it is referenced; None where
        nothing was missing.
    """
    import torch

    spec = find_spec("torchvision")  # finds it without importing it
    if spec is None or spec.origin is None:
        return None
    try:
        for binary in Path(spec.origin).parent.glob("_C.*"):
            torch.ops.load_library(binary)
    except OSError:  # built for other libraries than this torch has
        library = torch.library.Library("torchvision", "DEF")
        for operator in OPERATORS:
            library.define(operator)
        return library
    return None
