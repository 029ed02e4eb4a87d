"""Objects that come from elsewhere."""
import tensorflow as tf
from elsewhere import build, tensor_tools

model, optimizer, tensor = build()
tensor_tools.as_list(tensor)
model.compile(optimizer="adam", loss="mse")
model.fit(x, epochs=3)
optimizer.apply_gradients(pairs)
tensor.numpy()
tensor.shape.as_list()
table = frame.map(str)
table.fit(x)
data.map(parse, num_parallel_calls=tf.data.AUTOTUNE).batch(3)


def made_here():
    return tf.keras.Sequential([tf.keras.layers.Dense(3)])


made_here().summary()


def typed(model: tf.keras.Model, x: "tf.Tensor | None", v: tf.Variable = None):
    model.summary()
    x.numpy()
    v.assign(3)
