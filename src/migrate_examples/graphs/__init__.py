"""Computational graphs: eager code, and what captures it."""
