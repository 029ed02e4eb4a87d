"""Training: compile and fit, or a loop that is yours."""
