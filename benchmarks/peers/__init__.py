"""What a user would build or pick instead, in the same sizes."""
