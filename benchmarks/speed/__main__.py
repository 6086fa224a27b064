"""`python -m benchmarks.speed`, from the root of the repository."""

import sys

from benchmarks.speed.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
