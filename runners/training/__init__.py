"""The parts of a training beside its loop: batches, optimizer, checkpoints, signals, devices."""
