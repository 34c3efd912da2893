"""`bench`: reproducible measurements, from a checkout's `benchmarks` folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bascule.domain.errors import Rejected
from bascule.entrypoints.cli.output import AsJson, line, rows, say

ROOT = Path(__file__).parents[4]


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(bench)


def bench(
    name: Annotated[str, typer.Argument(help="Which benchmark: a module of `benchmarks`, such as chain.")],
    runs: Annotated[int, typer.Option(min=1, help="How often each thing is measured.")] = 3,
    scale: Annotated[float, typer.Option(min=0.001, max=1, help="Share of the full size.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Measures one part of the system; with --json also where and with which versions."""
    import importlib
    import os

    import uvloop

    from bascule.entrypoints.garbage import collect_rarely

    names = sorted(path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py") if path.stem != "harness")
    if name not in names:
        known = f"known: {', '.join(names)}" if names else "run it from a checkout, which has them"
        raise Rejected("benchmark_unknown", f"there is no benchmark {name}", next_step=known)
    sys.path.insert(0, str(ROOT))
    module = importlib.import_module(f"benchmarks.{name}")
    harness = importlib.import_module("benchmarks.harness")
    load, shares = os.getloadavg()[0], "" if scale == 1.0 else f" --scale {scale:g}"
    collect_rarely()  # as our processes do when they are ready, and on their event loop
    figures = uvloop.run(module.run(runs, scale))
    result = harness.result(name, f"bascule bench {name} --runs {runs}{shares} --json", scale, load, figures)
    if as_json:
        line(result)
        return
    rows(result["figures"], as_json=False)
    machine = result["machine"]
    say(f"{machine['cpus']} CPUs, load {machine['load_before']} before and {machine['load_after']} after")
