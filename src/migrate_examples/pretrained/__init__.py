"""Pre-trained models: get the weights, feed them, tune them."""
