"""Everything between a saved translator and an answer over the network."""
