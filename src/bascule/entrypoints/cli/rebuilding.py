"""`ledger rebuild`: the books made anew from the chain and the commands, and compared."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints import logs
from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import CommandFailed

if TYPE_CHECKING:
    from bascule.services.rebuilding import Told
    from bascule.storage.rebuild.differences import Compared, Difference


def rebuild(
    compare: Annotated[bool, typer.Option("--compare", help="Compare them with ours; needed.")] = False,
    chain: Annotated[str | None, typer.Option(help="Chain id or name; every chain if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Makes the books anew, in a database of their own that is dropped again, from blocks read afresh and
    from the commands; ours stay as they are. Ends with 1 when anything differs.
    """
    if not compare:
        raise typer.BadParameter("books are made anew only to be compared", param_hint="--compare")
    logs.configure("cli", "warning")  # a bar is no place for what is read in every block
    with ExitStack() as stack:
        told = _bars(stack) if not as_json and sys.stderr.isatty() else _quiet
        found = asyncio.run(_compared(chain, told))
    same = f"{found.transactions} transactions with {found.entries} entries are as chain and commands say"
    rows([_shown(each) for each in found.differences], as_json=as_json, empty=same)
    if found.differences:
        raise typer.Exit(1)


async def _compared(chain: str | None, told: Told) -> Compared:
    from bascule.entrypoints import wiring
    from bascule.services.rebuilding import Rebuild
    from bascule.storage import networks
    from bascule.storage.rebuild.scratch import scratch

    settings = loaded_settings()
    async with (
        wiring.owner(settings) as live,
        wiring.nodes(settings, live.refuse_open_transaction) as rpcs,
    ):
        if chain is not None:
            chains = [(await wiring.network_of(live, chain)).chain_id]
        else:
            async with live.read() as conn:
                chains = [network.chain_id for network in await networks.every(conn)]
        for chain_id in chains:
            if chain_id not in rpcs:
                raise CommandFailed(
                    f"chain {chain_id} cannot be read: it has no node",
                    "name one in BASCULE_CHAINS, or another chain by --chain",
                )
        async with scratch(live.url) as into:
            return await Rebuild(live, into, rpcs, chains, told).compare()


def _bars(stack: ExitStack) -> Told:
    """A bar for each thing that is counted, one after the other."""
    bars: dict[str, Any] = {}

    def told(what: str, more: int, total: int) -> None:
        if what not in bars:
            stack.pop_all().close()
            bars[what] = stack.enter_context(typer.progressbar(length=total, label=what, file=sys.stderr))
        bars[what].update(more)

    return told


def _quiet(what: str, more: int, total: int) -> None:
    """Nobody looks."""


def _shown(each: Difference) -> dict[str, Any]:
    transaction = "" if each.transaction is None else each.transaction
    return {
        "transaction": transaction,
        "fact": each.fact,
        "what": each.what,
        "expected": each.expected,
        "found": each.found,
    }
