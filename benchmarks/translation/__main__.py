"""`python -m benchmarks.translation`."""

from benchmarks.translation.command import main

if __name__ == "__main__":
    main()
