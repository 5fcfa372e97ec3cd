"""`python -m benchmarks.batching`."""

from benchmarks.batching.command import main

if __name__ == "__main__":
    main()
