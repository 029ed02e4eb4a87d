"""Writes the acceptance test of a port: a file of pytest that needs nothing of ours."""
