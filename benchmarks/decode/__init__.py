"""How fast does a translator write, against the machine, in batches and one by one?

Run it with `python -m benchmarks.decode`; docs/speed.md tells the rest.
"""
