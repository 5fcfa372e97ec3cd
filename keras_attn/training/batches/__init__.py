"""The input pipeline: from sentence pairs to batches of token ids."""
