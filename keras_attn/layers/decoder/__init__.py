"""The attention decoder: its step, its state, what goes in and comes out."""
