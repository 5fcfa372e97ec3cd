"""Does the time of a training step grow as what it computes, reads and writes?

Run it with `python -m benchmarks.scaling`; docs/speed.md tells the rest.
"""
