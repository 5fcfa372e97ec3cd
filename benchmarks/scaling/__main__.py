"""`python -m benchmarks.scaling`."""

from benchmarks.scaling.command import main

if __name__ == "__main__":
    main()
