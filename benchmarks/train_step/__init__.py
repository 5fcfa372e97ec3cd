"""How fast does training run, against the machine and against plain Keras?

Run it with `python -m benchmarks.train_step`; docs/speed.md tells the rest.
"""
