"""Names of TensorFlow that mean something else where they are used."""
import tensorflow as tf
from tensorflow import keras


def f(tf, keras):
    return tf.abs(keras.layers.Dense(3))


def g(x):
    tf = x
    return [tf.abs(keras) for keras in x], (lambda keras: keras.layers)(tf)


class Layer:
    keras = None
    shape = keras

    def call(self, x):
        return self.keras.layers.Dense(x)


with open("x") as tf, other() as keras:
    tf.read(keras.layers)
