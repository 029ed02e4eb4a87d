"""Automatic differentiation: a tape, or tensors that remember."""
