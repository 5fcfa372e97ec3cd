"""How does the memory of preparing and reading a corpus grow with its pairs?

Run it with `python -m benchmarks.corpus_memory`; docs/corpora.md tells the rest.
"""
