"""What each quality option is worth: one training for each, all else equal."""
