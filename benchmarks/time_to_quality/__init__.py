"""Seconds of training until a translator reaches a BLEU, for ours and for peers."""
