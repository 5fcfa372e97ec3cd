"""What the claims of this project are worth: each benchmark is one command."""
