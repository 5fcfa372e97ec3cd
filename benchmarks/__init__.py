"""What the claims of this project are worth, measured: each benchmark is a command."""
