"""`python -m unpaired`."""

from unpaired.cli.app import main

if __name__ == "__main__":
    raise SystemExit(main())
