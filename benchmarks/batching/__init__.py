"""How are requests best joined into batches, and how many threads are best?

Run it with `python -m benchmarks.batching`; docs/deploy.md tells the rest.
"""
