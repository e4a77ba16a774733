"""Training, and what goes with it: meters, checkpoints, processes."""
