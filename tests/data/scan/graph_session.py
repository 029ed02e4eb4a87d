"""TensorFlow 1."""
import tensorflow.compat.v1 as tf
from tensorflow.contrib import slim

x = tf.placeholder(tf.float32, [None, 4])
with tf.variable_scope("net", reuse=tf.AUTO_REUSE):
    w = tf.get_variable("w", [4, 2])
y = tf.matmul(x, w)
y.get_shape().as_list()
y = slim.fully_connected(y, 3)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=y))
optimizer = tf.train.AdamOptimizer(1e-3)
step = optimizer.minimize(loss)
saver = tf.train.Saver()
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    _, value = session.run([step, loss], feed_dict={x: batch})
    saver.save(session, "model")
    w.eval(session)
