"""Parts of a training outside its loop: batches, optimizer, checkpoints, signals, devices."""
