"""Readers of TensorFlow's files that need numpy alone: frozen graphs and checkpoints."""
