"""`x402`: the wallet that presents what payers signed, and what came of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings

GWEI = 10**9


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="Payments by x402.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(register)
    group.command("list")(listing)
    app.add_typer(group, name="x402")


def register(
    chain: Annotated[str, typer.Option(help="Chain id or name.")],
    wallet: Annotated[str, typer.Option(help="Its address, 0x…; the signer has its key.")],
    max_fee_gwei: Annotated[
        float, typer.Option(help="The signer signs for no more per gas.", min=0.001, max=100_000)
    ],
    gwei_per_day: Annotated[
        float, typer.Option(help="What 24 hours' payments may cost at the most, in gwei.", min=1, max=10**15)
    ],
    as_json: AsJson = False,
) -> None:
    """Makes a wallet the x402 facilitator's of a chain, for tokens with eip3009. Again sets other limits."""
    limits = round(max_fee_gwei * GWEI), round(gwei_per_day * GWEI)
    rows([asyncio.run(_register(loaded_settings(), chain, wallet, *limits))], as_json=as_json)


def listing(
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """What payers signed, and what came of it."""
    rows(asyncio.run(_list(loaded_settings(), limit)), as_json=as_json)


async def _register(
    settings: Settings, chain: str, named: str, max_fee: int, max_per_day: int
) -> dict[str, Any]:
    from bascule.domain import authorization
    from bascule.domain.chain import checksum, parse_address
    from bascule.entrypoints import presenting, service_wallets, wiring
    from bascule.storage import tokens
    from bascule.storage.migrate import require_schema

    wallet = parse_address(named, param="wallet")
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        await require_schema(db, "signer")
        network = await wiring.network_of(db, chain)
        nonce = await service_wallets.first_nonce(rpcs[settings.chain(network.chain_id).id], wallet)
        async with db.transaction() as conn:
            known = [each for each in await tokens.every(conn) if each.chain_id == network.chain_id]
            served = await presenting.signable(conn, known)
            changed = await presenting.register(
                conn, network.chain_id, wallet, served, max_fee_per_gas=max_fee, max_per_day=max_per_day,
                next_nonce=nonce,
            )  # fmt: skip
    lane = f"{network.chain_id}/{authorization.LANE}"
    return {
        "lane": lane,
        "wallet": checksum(wallet),
        "currencies": ", ".join(token.currency for token in served),
        "limits": "new" if changed else "as before",
        "next": f"run: bascule submitter --lane {lane}",
    }


async def _list(settings: Settings, limit: int) -> list[dict[str, Any]]:
    from bascule.entrypoints import wiring
    from bascule.storage import authorizations

    async with wiring.owner(settings) as db, db.read() as conn:
        found = await authorizations.every(conn, limit)
    return [
        {
            "id": row["id"],
            "account": row["account_id"],
            "state": row["state"],
            "failure": row["failure_code"],
            "waits_for": row["waits_for"],
            "amount_atomic": str(row["amount"]),
            "created_at": row["created_at"].isoformat(timespec="seconds"),
        }
        for row in found
    ]
