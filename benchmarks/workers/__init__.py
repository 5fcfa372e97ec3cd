"""What are more workers worth, in tokens per second and in memory?

Run it with `python -m benchmarks.workers`; docs/many-workers.md tells the rest.
"""
