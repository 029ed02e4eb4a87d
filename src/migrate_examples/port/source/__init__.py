"""Prints a Program as a Python file that a person could have written."""

from migrate_examples.port.source.module import Entry, Row, Written, write_module

__all__ = ["Entry", "Row", "Written", "write_module"]
