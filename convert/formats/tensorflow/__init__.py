"""TensorFlow's checkpoints, of every version, as arrays by name, without TensorFlow."""
