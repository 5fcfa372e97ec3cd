"""RNN cells, and what wraps or drives them."""
