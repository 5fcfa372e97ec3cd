"""`python -m benchmarks.decode`."""

from benchmarks.decode.command import main

if __name__ == "__main__":
    main()
