"""`python -m benchmarks.serve_roundtrip`."""

from benchmarks.serve_roundtrip.command import main

if __name__ == "__main__":
    main()
