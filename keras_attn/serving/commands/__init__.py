"""The subcommands of `keras-attn` that this package adds, one a module.

Each function is registered as an entry point of the group `keras_attn.commands`. What
is heavy is imported when it is needed, so that `keras-attn --help` is quick.
"""
