"""`python -m keras_attn` is the command `keras-attn`."""

from keras_attn.cli import main

main()
