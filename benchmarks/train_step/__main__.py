"""`python -m benchmarks.train_step`."""

from benchmarks.train_step.command import main

if __name__ == "__main__":
    main()
