"""Reads weights without TensorFlow and without Keras; nothing of a file is executed."""

from migrate_examples.port.archive import Archive, ReadError
from migrate_examples.port.read.config import check_config
from migrate_examples.port.read.dispatch import read

__all__ = ["Archive", "ReadError", "check_config", "read"]
