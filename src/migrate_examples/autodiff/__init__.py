"""Automatic differentiation: a tape that records, or tensors that remember."""
