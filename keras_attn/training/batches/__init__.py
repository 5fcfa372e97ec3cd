"""From sentence pairs to the batches of ids that a model trains on."""
