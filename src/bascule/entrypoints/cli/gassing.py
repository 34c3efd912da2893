"""`gas`: how each wallet can pay for gas, and the wallet that tops the others up."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings
    from bascule.storage.signer_limits import HardLimits

GWEI = 10**9
ETHER = 10**18

Chain = Annotated[str, typer.Option(help="Chain id or name.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="Coin for gas.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(standing)
    group.command()(register)
    group.command()(route)
    app.add_typer(group, name="gas")


def standing(as_json: AsJson = False) -> None:
    """How long each wallet can pay for gas, as its lane told last."""
    rows(asyncio.run(_standing(loaded_settings())), as_json=as_json)


def register(
    chain: Chain,
    wallet: Annotated[str, typer.Option(help="Its address, 0x…; the signer has its key.")],
    as_json: AsJson = False,
) -> None:
    """Makes a wallet the gas wallet of a chain. It sends nothing before a route is opened."""
    rows([asyncio.run(_register(loaded_settings(), chain, wallet))], as_json=as_json)


def route(
    chain: Chain,
    to: Annotated[str, typer.Option(help="The wallet that is filled up: its lane's name.")],
    max_per_item: Annotated[str, typer.Option(help="Coin in one top-up, at most: 0.5.")],
    max_per_day: Annotated[str, typer.Option(help="Coin in 24 hours, at most: 2.")],
    max_fee_gwei: Annotated[
        float, typer.Option(help="The signer signs for no more per gas.", min=0.001, max=100_000)
    ],
    as_json: AsJson = False,
) -> None:
    """Lets the gas wallet fill up a lane's wallet, within these limits. Again sets other limits."""
    from bascule.entrypoints.gassing import MAX_GAS
    from bascule.storage.signer_limits import HardLimits

    item, day = _wei(max_per_item, "--max-per-item"), _wei(max_per_day, "--max-per-day")
    if day < item:
        raise CommandFailed("--max-per-day is below --max-per-item", "raise it", code=USAGE)
    limits = HardLimits(item, day, round(max_fee_gwei * GWEI), MAX_GAS)
    rows([asyncio.run(_route(loaded_settings(), chain, to, limits))], as_json=as_json)


def _wei(text: str, option: str) -> int:
    """Wei of an amount in coin."""
    plain = text.replace(".", "", 1)
    wei = Decimal(text) * ETHER if plain.isascii() and plain.isdecimal() else Decimal(0)
    if wei <= 0 or wei != int(wei) or wei >= 2**96:
        raise CommandFailed(f"{option} is no amount of coin: {text[:40]}", "say it as 0.5", code=USAGE)
    return int(wei)


async def _standing(settings: Settings) -> list[dict[str, Any]]:
    from bascule.domain.chain import caip2, checksum
    from bascule.entrypoints import wiring
    from bascule.storage import gas

    async with wiring.owner(settings) as db, db.read() as conn:
        found = await gas.standing(conn)
    return [
        {
            "lane": f"{caip2(chain_id)}/{tank.name}",
            "wallet": checksum(tank.wallet),
            "coin": f"{Decimal(tank.balance) / ETHER:.6f}",
            "runway_hours": None if tank.runway is None else round(tank.runway.total_seconds() / 3600, 1),
            "short": tank.short,
            "missing": f"{Decimal(tank.missing) / ETHER:.6f}",
            "block": tank.block_number,
            "seen_at": tank.seen_at.isoformat(timespec="seconds"),
        }
        for chain_id, tank in found
    ]


async def _register(settings: Settings, chain: str, named: str) -> dict[str, Any]:
    from bascule.domain import gas
    from bascule.domain.chain import checksum, parse_address
    from bascule.entrypoints import gassing, service_wallets, wiring
    from bascule.storage.migrate import require_schema

    wallet = parse_address(named, param="wallet")
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        await require_schema(db, "signer")
        network = await wiring.network_of(db, chain)
        nonce = await service_wallets.first_nonce(rpcs[settings.chain(network.chain_id).id], wallet)
        async with db.transaction() as conn:
            await gassing.register(conn, network.chain_id, wallet, next_nonce=nonce)
    lane = f"{network.chain_id}/{gas.LANE}"
    return {"lane": lane, "wallet": checksum(wallet), "next": f"run: bascule submitter --lane {lane}"}


async def _route(settings: Settings, chain: str, to: str, limits: HardLimits) -> dict[str, Any]:
    from bascule.domain.chain import checksum
    from bascule.entrypoints import gassing, wiring
    from bascule.storage import lanes
    from bascule.storage.migrate import require_schema

    async with wiring.owner(settings) as db:
        await require_schema(db, "signer")
        network = await wiring.network_of(db, chain)
        async with db.transaction() as conn:
            wallet = await lanes.service_wallet(conn, network.chain_id, to)
            if wallet is None:
                raise CommandFailed(f"chain {chain} has no lane {to}", "see: bascule gas list")
            changed = await gassing.open_route(conn, network.chain_id, wallet.address, limits)
    return {
        "lane": f"{network.chain_id}/{to}",
        "wallet": checksum(wallet.address),
        "max_per_item": f"{Decimal(limits.max_per_item) / ETHER:f}",
        "max_per_day": f"{Decimal(limits.max_per_day) / ETHER:f}",
        "limits": "new" if changed else "as before",
    }
