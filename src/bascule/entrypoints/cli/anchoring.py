"""`anchor`: the wallet that writes the heads of sealed history on chain, and what it wrote."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings

GWEI = 10**9

Chain = Annotated[str, typer.Option(help="Chain id or name.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="Heads of sealed history on chain.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(register)
    group.command("list")(listing)
    app.add_typer(group, name="anchor")


def register(
    chain: Chain,
    wallet: Annotated[str, typer.Option(help="Its address, 0x…; the signer has its key.")],
    max_fee_gwei: Annotated[
        float, typer.Option(help="The signer signs for no more per gas.", min=0.001, max=100_000)
    ],
    as_json: AsJson = False,
) -> None:
    """Makes a wallet the anchor's of a chain. Again sets another limit."""
    max_fee = round(max_fee_gwei * GWEI)
    rows([asyncio.run(_register(loaded_settings(), chain, wallet, max_fee))], as_json=as_json)


def listing(
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Which heads were to be written on chain, and the transaction of each that was."""
    rows(asyncio.run(_list(loaded_settings(), limit)), as_json=as_json)


async def _register(settings: Settings, chain: str, named: str, max_fee: int) -> dict[str, Any]:
    from bascule.domain import anchor
    from bascule.domain.chain import checksum, parse_address
    from bascule.entrypoints import anchoring, service_wallets, wiring
    from bascule.storage.migrate import require_schema

    wallet = parse_address(named, param="wallet")
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        await require_schema(db, "signer")
        network = await wiring.network_of(db, chain)
        nonce = await service_wallets.first_nonce(rpcs[settings.chain(network.chain_id).id], wallet)
        limits = anchoring.hard_limits(max_fee)
        async with db.transaction() as conn:
            changed = await anchoring.register(
                conn, network.chain_id, wallet, limits=limits, next_nonce=nonce
            )
    lane = f"{network.chain_id}/{anchor.LANE}"
    return {
        "lane": lane,
        "wallet": checksum(wallet),
        "limits": "new" if changed else "as before",
        "next": f"run: bascule submitter --lane {lane}",
    }


async def _list(settings: Settings, limit: int) -> list[dict[str, Any]]:
    from bascule.domain.chain import Address, Hash, caip2, checksum, hex32
    from bascule.entrypoints import wiring
    from bascule.storage import anchors

    async with wiring.owner(settings) as db, db.read() as conn:
        found = await anchors.every(conn, limit)
    return [
        {
            "network": caip2(row["chain_id"]),
            "seal": row["seal"],
            "head": row["head"],
            "outcome": row["outcome"],
            "requested_at": row["requested_at"].isoformat(timespec="seconds"),
            "wallet": None if row["wallet"] is None else checksum(Address(bytes(row["wallet"]))),
            "transaction": None if row["tx_hash"] is None else hex32(Hash(bytes(row["tx_hash"]))),
        }
        for row in found
    ]
