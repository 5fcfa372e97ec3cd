"""The training loop: steps, state, checkpoints, workers."""
