"""The subcommands of `keras-attn` that train and evaluate, a module each.

They are entry points of the group `keras_attn.commands`. Heavy modules are imported
inside the functions, so that `keras-attn --help` is fast.
"""
