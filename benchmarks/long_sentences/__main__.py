"""`python -m benchmarks.long_sentences`."""

from benchmarks.long_sentences.command import main

if __name__ == "__main__":
    main()
