"""Does the time of a training step grow as its operations do?

Run it with `python -m benchmarks.scaling`; docs/speed.md tells the rest.
"""
