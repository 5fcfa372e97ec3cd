"""`python -m benchmarks.corpus_memory`."""

from benchmarks.corpus_memory.command import main

if __name__ == "__main__":
    main()
