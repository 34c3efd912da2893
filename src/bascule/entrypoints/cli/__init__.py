"""The command line, `bascule`. Commands import what they need when they run, so that `--help` is instant."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and ends the process: 0 ok, 1 failed, 2 usage, 3 not ready or unreachable."""
    from bascule.entrypoints.cli.app import run

    sys.exit(run(sys.argv[1:]))
