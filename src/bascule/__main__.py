"""`python -m bascule`: the same as the `bascule` command."""

from bascule.entrypoints.cli import main

if __name__ == "__main__":
    main()
