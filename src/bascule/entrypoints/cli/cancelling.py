"""`canceller`: the wallet that calls payouts off on their way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.cli.wallets import named_wallet
from bascule.entrypoints.failures import CommandFailed

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(
        help="The wallet that calls payouts off.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command()(register)
    app.add_typer(group, name="canceller")


def register(
    chain: Annotated[str, typer.Option(help="Chain id or name.")],
    wallet: Annotated[
        str | None, typer.Option(help="Its address, 0x…; else that of the canceller's key configured here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Gives the vault's canceller its lane, after asking the vault who that is; again is harmless."""
    rows([asyncio.run(_register(loaded_settings(), chain, wallet))], as_json=as_json)


async def _register(settings: Settings, chain: str, named: str | None) -> dict[str, Any]:
    from bascule.domain.chain import checksum
    from bascule.entrypoints import cancelling, service_wallets, wiring
    from bascule.storage.migrate import require_schema

    wallet = await named_wallet(settings, named, "canceller")
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        await require_schema(db, "signer")
        network = await wiring.network_of(db, chain)
        if network.vault is None:
            raise CommandFailed(f"chain {chain} has no vault", f"run: bascule chains publish {chain}")
        rpc = rpcs[settings.chain(network.chain_id).id]
        await cancelling.require_named(rpc, network.vault, wallet)
        nonce = await service_wallets.first_nonce(rpc, wallet)
        async with db.transaction() as conn:
            await cancelling.register(conn, network.chain_id, wallet, next_nonce=nonce)
    lane = f"{network.chain_id}/canceller"
    return {"lane": lane, "wallet": checksum(wallet), "next": f"bascule submitter --lane {lane}"}
