"""Chooses what Keras runs on, before it is imported."""

import importlib.util
import os
import sys


def choose_backend() -> None:
    """Have Keras run on PyTorch where TensorFlow is missing.

    Nothing changes where ``KERAS_BACKEND`` is set, or Keras is imported.
    """
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if importlib.util.find_spec("tensorflow") is None:
        os.environ.setdefault("KERAS_BACKEND", "torch")
