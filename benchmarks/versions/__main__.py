"""`python -m benchmarks.versions`, from the root of the repository."""

import sys

from benchmarks.versions.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
