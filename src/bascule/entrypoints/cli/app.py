"""All commands in one tree, and the one place where their errors become two lines and an exit code."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import typer

from bascule.entrypoints.cli import (
    administration,
    anchoring,
    auditing,
    authority,
    breaks,
    cancelling,
    contracts,
    development,
    documents,
    fees,
    finance,
    floating,
    freezing,
    gassing,
    inspection,
    laning,
    ledger,
    listening,
    measuring,
    payouts,
    people,
    presenting,
    processes,
    rates,
    redriving,
    reporting,
    restoring,
    screening,
    scripting,
    sources,
    sweeping,
    tailing,
    treasury,
    watching,
)
from bascule.entrypoints.cli.output import Output
from bascule.entrypoints.failures import exit_code_of, report

app = typer.Typer(
    name="bascule",
    help="Settles stablecoin payments: money in from the chain, money out, and books that prove both.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error happened.")] = False,
) -> None:
    """What holds for every command."""
    context.obj = Output(debug=debug)


PARTS = (
    development,
    listening,
    scripting,
    processes,
    watching,
    restoring,
    sweeping,
    tailing,
    gassing,
    laning,
    cancelling,
    administration,
    authority,
    breaks,
    contracts,
    people,
    payouts,
    treasury,
    inspection,
    freezing,
    screening,
    finance,
    fees,
    ledger,
    redriving,
    reporting,
    auditing,
    anchoring,
    presenting,
    floating,
    sources,
    rates,
    documents,
    measuring,
)
for part in PARTS:
    part.add_to(app)


@cache
def _tree() -> Any:
    """The commands as click has them, made once in a process: reading all their signatures takes 60 ms."""
    return typer.main.get_command(app)


def run(arguments: list[str]) -> int:
    """The exit code of one command line."""
    debug = "--debug" in arguments
    as_json = "--json" in arguments
    try:
        words = [word for word in arguments if word != "--debug"]  # it holds wherever it stands
        result: Any = _tree()(["--debug", *words] if debug else words, standalone_mode=False)
    except typer.Exit as done:
        return int(done.exit_code)
    except typer.Abort:
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if _is_usage(error):
            error.show()  # type: ignore[attr-defined]
            return 2
        if debug:
            raise
        report(error, as_json=as_json)
        return exit_code_of(error)
    return result if isinstance(result, int) else 0


def _is_usage(error: Exception) -> bool:
    """Whether the words of the command line were wrong (click's own errors, vendored or not)."""
    return hasattr(error, "show") and hasattr(error, "exit_code") and "click" in type(error).__module__
