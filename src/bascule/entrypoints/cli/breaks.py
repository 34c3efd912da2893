"""`breaks`: what does not add up, and what a person says of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings

_BRIEF = ("id", "type", "subject", "status", "amount", "currency", "age", "owner", "freezes_payouts")


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="What does not add up.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(every)
    for command in (resolve, search, runs):
        group.command(command.__name__)(command)
    app.add_typer(group, name="breaks")


def every(as_json: AsJson = False) -> None:
    """What is open now, the oldest first; age in seconds. Ends with 1 when something is."""
    found = asyncio.run(_every(loaded_settings()))
    shown = found if as_json else [{name: each[name] for name in _BRIEF} for each in found]
    rows(shown, as_json=as_json, empty="nothing: it all adds up")
    if found:
        raise typer.Exit(1)


def resolve(
    break_id: str,
    reason: Annotated[str, typer.Option(help="What explains it; kept for ever.")],
    transaction: Annotated[
        int | None, typer.Option(help="The journal's transaction that mends it.", min=1)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ends a break with an explanation; payouts that it froze go on."""
    shown = asyncio.run(_resolve(loaded_settings(), break_id, reason, transaction, dry_run))
    rows([shown if as_json else {name: shown[name] for name in _BRIEF}], as_json=as_json)


def search(
    chain: Annotated[
        str | None, typer.Option(help="Compare the tokens of this chain only, by id or name.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Asks for a run: each token against its chain, our rows against each other. The worker does it next."""
    rows([_of_run(asyncio.run(_search(loaded_settings(), chain)))], as_json=as_json)


def runs(as_json: AsJson = False) -> None:
    """The newest runs and what they found."""
    found = asyncio.run(_runs(loaded_settings()))
    rows(found if as_json else [_of_run(each) for each in found], as_json=as_json, empty="none was asked for")


async def _every(settings: Settings) -> list[dict[str, Any]]:
    from bascule.entrypoints import wiring
    from bascule.services.break_view import describe
    from bascule.storage import breaks

    async with wiring.database(settings, "worker") as db, db.read() as conn:
        return await describe(conn, await breaks.open_now(conn), wiring.Seams(settings).clock.now())


async def _resolve(
    settings: Settings, break_id: str, reason: str, transaction: int | None, dry_run: bool
) -> dict[str, Any]:
    from bascule.entrypoints import wiring
    from bascule.services.resolving import resolve

    outbox = wiring.Seams(settings).outbox
    async with (
        wiring.owner(settings) as db,
        db.transaction() as conn,
        conn.transaction(force_rollback=dry_run),
    ):
        return await resolve(conn, outbox, break_id, reason=reason, transaction=transaction, actor="cli")


async def _search(settings: Settings, chain: str | None) -> dict[str, Any]:
    from bascule.entrypoints import wiring
    from bascule.services.reconciliation_runs import describe_runs, request
    from bascule.storage import audit

    outbox = wiring.Seams(settings).outbox
    async with wiring.owner(settings) as db:
        chain_id = None if chain is None else (await wiring.network_of(db, chain)).chain_id
        async with db.transaction() as conn:
            run = await request(conn, outbox, requested_by="cli", chain_id=chain_id)
            await audit.append(conn, actor="cli", action="reconciliation.request", object_id=run.id)
            [shown] = await describe_runs(conn, [run])
    return shown


async def _runs(settings: Settings) -> list[dict[str, Any]]:
    from bascule.entrypoints import wiring
    from bascule.services.reconciliation_runs import describe_runs
    from bascule.storage import reconciliation_runs

    async with wiring.database(settings, "worker") as db, db.read() as conn:
        return await describe_runs(conn, await reconciliation_runs.newest(conn))


def _of_run(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name not in ("object", "comparisons")}
