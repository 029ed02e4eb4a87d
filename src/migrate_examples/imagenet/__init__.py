"""Real ImageNet predictions, offline, in both frameworks."""
