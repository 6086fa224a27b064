"""Time and memory of training, translation, data and start-up, beside the reference codes: see README.md."""
