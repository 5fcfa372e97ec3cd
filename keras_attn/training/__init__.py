"""Training: recipes, corpora, batches, the loop, and the commands that run it."""
