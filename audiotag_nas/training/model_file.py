"""The file that a trained network is kept in; no TensorFlow needed."""

MODEL_FILE = "model.keras"
