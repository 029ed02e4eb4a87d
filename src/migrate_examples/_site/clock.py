"""The time of a pane: frameworks warmed up first, one figure a block.

sphinx-gallery calls ``before`` for each page, then after each block its
scrapers in order: ``read`` first, so that the figure holds nothing but the
block, and ``restart`` last.
"""

import gc
import os
import time
from functools import cache
from typing import Any

_started = 0.0


@cache
def warm_up() -> None:
    """Pay once, before any clock runs, what the first use of a framework costs.

    That is the imports, the thread pools, TensorFlow's eager context and the
    compiler that PyTorch's first optimiser imports.
    """
    import keras
    import tensorflow as tf
    import torch

    from migrate_examples._torchvision import declare_missing_operators

    declare_missing_operators()
    weight = torch.ones(8, 8, requires_grad=True)
    optimizer = torch.optim.SGD([weight])
    (weight @ weight).sum().backward()
    optimizer.step()
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    model.fit(tf.ones((8, 8)), tf.ones((8, 1)), verbose=0)
    gc.collect()
    gc.freeze()  # else each page's gc.collect() walks all of both frameworks


def before(_gallery_conf: dict[str, Any], _page: str) -> None:
    """Bring both frameworks to the state a fresh script would find."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warm_up()
    import keras
    import torch

    keras.backend.clear_session()
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")
    keras.utils.set_random_seed(0)  # Python, NumPy, TensorFlow
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    torch._dynamo.reset()
    restart({}, {}, {})


def read(_block: object, _variables: object, _gallery_conf: object) -> str:
    """Seconds since the last restart, as a directive the panes collect."""
    return f"\n.. pane-time:: {time.perf_counter() - _started:.6f}\n\n"


def restart(_block: object, _variables: object, _gallery_conf: object) -> str:
    """Start the next block's clock."""
    global _started  # noqa: PLW0603  one clock a process, as sphinx-gallery has one page
    _started = time.perf_counter()
    return ""
