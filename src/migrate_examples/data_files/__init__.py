"""Files: image folders, CSV, TFRecord without TensorFlow."""
