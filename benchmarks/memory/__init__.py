"""How does the memory of a training step grow with batch and sentence lengths?

Run it with `python -m benchmarks.memory`; docs/speed.md tells the rest.
"""
