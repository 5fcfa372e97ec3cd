"""`python -m benchmarks.memory`."""

from benchmarks.memory.command import main

if __name__ == "__main__":
    main()
