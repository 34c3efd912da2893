"""`watcher`: the process that reads one chain, and what an operator may tell it."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.cli.processes import run_process
from bascule.entrypoints.failures import USAGE, CommandFailed

Chain = Annotated[str, typer.Option(help="Chain id or name.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the audit log.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(
        help="Reads one chain; its commands are for operators.",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    group.callback()(watcher)
    group.command()(resume)
    group.command()(replay)
    group.command("free-node")(free_node)
    group.command("forget-headers")(forget_headers)
    app.add_typer(group, name="watcher")


def watcher(
    context: typer.Context, chain: Annotated[str | None, typer.Option(help="Chain id or name.")] = None
) -> None:
    """Reads one chain; its commands are for operators."""
    from bascule.entrypoints import wiring

    if context.invoked_subcommand is not None:
        return
    if chain is None:
        raise typer.BadParameter("which chain? e.g. --chain base", param_hint="--chain")
    run_process(
        "watcher", lambda settings, stop, ready: wiring.watcher(settings, chain, ready=ready, stop=stop)
    )


def resume(chain: Chain, reason: Reason, as_json: AsJson = False) -> None:
    """Lifts a halt. It makes no block good: where our final block is gone, the chain halts again at once."""
    from bascule.domain.chain import caip2
    from bascule.entrypoints import wiring
    from bascule.services import halts
    from bascule.storage import blocks

    async def work() -> dict[str, str]:
        settings = loaded_settings()
        seams = wiring.Seams(settings)
        async with wiring.owner(settings) as db:
            network = await wiring.network_of(db, chain)
            async with db.transaction() as conn:
                cursor = await blocks.cursor(conn, network.chain_id)
                if cursor is None or cursor.halted_reason is None:
                    raise CommandFailed(f"chain {chain} is not halted", "look at /readyz for what is wrong")
                details = {"reason": reason}
                await halts.lift(conn, cursor, network, seams.outbox, actor="cli", details=details)
        return {"network": caip2(network.chain_id), "was": cursor.halted_reason}

    required(reason)
    rows([asyncio.run(work())], as_json=as_json)


def replay(
    chain: Chain,
    reason: Reason,
    first: Annotated[int, typer.Option("--from", help="The first block.", min=0)],
    last: Annotated[
        int | None, typer.Option("--to", help="The last block; else the newest one read.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Reads blocks once more, from their receipts, and adds transfers that are missing. 1 when any differ."""
    required(reason)
    found = asyncio.run(_replay(chain, reason, first, last, shown=not as_json and sys.stderr.isatty()))
    rows(found, as_json=as_json, empty="every block agrees with what is stored")
    if found:
        raise typer.Exit(1)


async def _replay(
    chain: str, reason: str, first: int, last: int | None, *, shown: bool
) -> list[dict[str, Any]]:
    from bascule.domain.chain import caip2
    from bascule.entrypoints import wiring
    from bascule.services.arrivals import Arrivals
    from bascule.services.breaks import Breaks
    from bascule.services.outflows import Outflows
    from bascule.services.replaying import Replay
    from bascule.services.suspending import Suspending
    from bascule.storage import audit, blocks

    settings = loaded_settings()
    seams = wiring.Seams(settings)
    async with (
        wiring.database(settings, "watcher") as db,
        wiring.nodes(settings, db.refuse_open_transaction) as rpcs,
    ):
        network = await wiring.network_of(db, chain)
        settings.chain(network.chain_id)  # a chain without a node cannot be read
        async with db.read() as conn:
            cursor = await blocks.cursor(conn, network.chain_id)
        if cursor is not None and cursor.halted_reason is not None:
            raise CommandFailed(
                f"chain {chain} is halted, nothing is added to it: {cursor.halted_reason}",
                "see docs/operating/halts.md for how a halt ends",
            )
        newest = -1 if cursor is None else cursor.last_number
        upto = newest if last is None else last
        if not first <= upto <= newest:
            raise CommandFailed(
                f"blocks {first} to {upto} of chain {chain} are not all read",
                f"read are those up to {newest}",
            )
        rpc, counters = rpcs[network.chain_id], Counter[str]()
        arrivals = Arrivals(network.chain_id, seams.clock, seams.entropy, seams.outbox, counters)
        suspending = Suspending(seams.clock, seams.outbox)
        outflows = Outflows(db, rpc, network.chain_id, Breaks(seams.outbox), suspending, counters)
        replayed = Replay(db, rpc, network.chain_id, arrivals, outflows)
        findings: list[dict[str, Any]] = []
        with typer.progressbar(
            length=upto - first + 1, label="blocks", file=sys.stderr, hidden=not shown
        ) as bar:
            done = first - 1
            async for end, found in replayed.between(first, upto):
                findings += [{"found": each.kind, "block": each.number, "says": each.says} for each in found]
                bar.update(end - done)
                done = end
        async with db.transaction() as conn:
            kinds = dict(Counter(finding["found"] for finding in findings))
            details = {
                "from": first,
                "to": upto,
                "blocks": replayed.compared,
                "found": kinds,
                "reason": reason,
            }
            await audit.append(
                conn, actor="cli", action="chain.replay", object_id=caip2(network.chain_id), details=details
            )
    return findings


def free_node(
    chain: Chain,
    node: Annotated[str, typer.Option(help="Its host and port, as logs and metrics name it.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Lets a node that lied be asked again before its time; every process hears of it within 15 seconds."""
    from bascule.chain.node import names
    from bascule.domain.chain import caip2
    from bascule.entrypoints import wiring
    from bascule.storage import audit, pardons

    async def work() -> dict[str, str]:
        settings = loaded_settings()
        async with wiring.owner(settings) as db:
            network = await wiring.network_of(db, chain)
            known = names([each.url for each in settings.chain(network.chain_id).rpc])
            if node not in known:
                raise CommandFailed(
                    f"chain {chain} has no node {node}", f"its nodes are {', '.join(known)}", code=USAGE
                )
            details = {"node": node, "reason": reason}
            async with db.transaction() as conn:
                await pardons.record(conn, network.chain_id, node)
                name = caip2(network.chain_id)
                await audit.append(conn, actor="cli", action="node.free", object_id=name, details=details)
        return {"network": name, "node": node}

    required(reason)
    rows([asyncio.run(work())], as_json=as_json)


def forget_headers(chain: Chain, reason: Reason, as_json: AsJson = False) -> None:
    """Believes a chain's headers again, which were learned to prove nothing; learned anew if still so."""
    from bascule.domain.chain import caip2
    from bascule.entrypoints import wiring
    from bascule.services import unlisted

    async def work() -> dict[str, str]:
        settings = loaded_settings()
        async with wiring.owner(settings) as db:
            network = await wiring.network_of(db, chain)
            async with db.transaction() as conn:
                was = await unlisted.forget(conn, network.chain_id, reason=reason)
        return {"network": caip2(network.chain_id), "was": was}

    required(reason)
    rows([asyncio.run(work())], as_json=as_json)


def required(reason: str) -> None:
    """Raises: BadParameter when no reason is given; who reads the audit log later has nothing else."""
    if not reason.strip():
        raise typer.BadParameter("say why, in a few words", param_hint="--reason")
