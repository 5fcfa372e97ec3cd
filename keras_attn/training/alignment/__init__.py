"""Word alignment: learnt from a corpus, read off attention, and taught to it."""
