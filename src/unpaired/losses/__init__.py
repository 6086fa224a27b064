"""Losses as pure functions: tensors in, one scalar out. Weights, state and logging live elsewhere."""
