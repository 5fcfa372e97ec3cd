"""Word alignments: learned from a corpus, read off attention, and used to guide it."""
