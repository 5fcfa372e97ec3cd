"""What does a request over gRPC cost beside the translation itself?

Run it with `python -m benchmarks.serve_roundtrip`; docs/speed.md tells the rest.
"""
