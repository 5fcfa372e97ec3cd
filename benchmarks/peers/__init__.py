"""Other toolkits, and models that a user would build instead, in the same sizes."""
