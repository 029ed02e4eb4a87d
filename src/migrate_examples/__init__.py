"""Tested twins, in TensorFlow and in PyTorch, of every section of the guide.

Each section is a subpackage with two modules of equal shape,
``in_tensorflow`` and ``in_pytorch``. Importing this package imports neither
framework.
"""

__version__ = "0.1.0"
