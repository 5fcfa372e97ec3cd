"""The subcommands of `keras-attn` that train and evaluate."""
