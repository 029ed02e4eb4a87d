"""Folding: what repeats in a Program becomes classes of blocks, and loops.

``fold(program)`` is in ``blocks.fold``; what it makes, in ``blocks.folded``.
"""
