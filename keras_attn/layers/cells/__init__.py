"""RNN cells by name, their wrappers, and the protocol of Keras cells."""
