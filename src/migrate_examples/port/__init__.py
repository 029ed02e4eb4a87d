"""The port: a trained Keras model in, readable PyTorch with the same outputs out.

``read`` opens what TensorFlow and Keras save, without them. ``transfer`` moves
weights into a module that you wrote. ``parity`` compares both, and names the
first layer that differs and why. ``source`` writes the module itself.
"""
