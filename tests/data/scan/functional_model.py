"""A functional model, its training, and what comes back."""
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers as L

inputs = tf.keras.Input((32, 32, 3))
x = L.Conv2D(16, 3, strides=2, padding="same")(inputs)
x = L.BatchNormalization()(x)
x = tf.nn.relu(x)
skip = L.Conv2D(16, 1)(x)
x = L.Add()([x, skip])
x = L.Flatten()(x)
print(x.shape)
outputs = L.Dense(10, activation="softmax")(x)
model = tf.keras.Model(inputs, outputs)
model.compile(
    optimizer="adam",
    loss=tf.keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
history = model.fit(np.zeros((4, 32, 32, 3)), np.zeros(4), epochs=2)
print(history.history["loss"])
features = model.get_layer("dense").output
for layer in model.layers:
    layer.trainable = False
model.save_weights("a.weights.h5")
