"""What a comparison cannot do, said to the person who asked for it."""


class ParityError(ValueError):
    """Two models that cannot be compared: says which input, shape or dtype, and why."""
