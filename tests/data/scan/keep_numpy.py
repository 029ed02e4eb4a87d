"""NumPy and others have methods of the same names."""
import numpy as tf
import pandas as keras

x = tf.abs(tf.zeros(3))
x.shape, x.dtype
frame = keras.DataFrame()
frame.map(str).batch(3).fit(x)
re.compile("a")
session.run("ls")
