"""One script for each peer, run in the peer's own environment.

    python -m benchmarks.peers.scripts.NAME TASK_FOLDER --task train --batches 40

Each imports its toolkit and `protocol` alone, which needs no more than NumPy.
"""
