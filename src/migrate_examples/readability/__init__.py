"""Code readability: one task in parts, with a command line."""
