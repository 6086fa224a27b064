"""The bundled pictures of `unpaired demo`."""
