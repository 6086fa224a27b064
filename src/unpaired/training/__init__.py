"""The training loop and what surrounds it: run folders, checkpoints, sample grids, logs."""
