"""Tensor creation: values in, values out, what lies between."""
