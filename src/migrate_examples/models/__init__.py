"""Model definition: layers, weights, initial values, modes."""
