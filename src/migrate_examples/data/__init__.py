"""Handling data: a chain, or a dataset and its loader."""
