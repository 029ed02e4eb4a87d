"""tf.data, step by step."""
import tensorflow as tf

AUTOTUNE = tf.data.AUTOTUNE


def parse(record):
    image = tf.io.decode_jpeg(record)
    image.set_shape([None, None, 3])
    return tf.image.resize(image, (8, 8)), record.shape


def make(files: list[str], training: bool) -> tf.data.Dataset:
    data = tf.data.TFRecordDataset(files)
    if training:
        data = data.shuffle(100).repeat()
    data = data.map(parse, num_parallel_calls=AUTOTUNE)
    return data.batch(4, drop_remainder=training).prefetch(AUTOTUNE)


for images, shapes in make(["a"], True).take(2):
    print(images.numpy().mean(), shapes)
for number, (images, _) in enumerate(make(["a"], False)):
    print(number, images.numpy())
iterator = iter(make(["a"], False))
batch = next(iterator)
batch[0].numpy()
list(make(["b"], False).as_numpy_iterator())
