"""Searchers, their journal and their loop; knows nothing of audio or Keras."""
