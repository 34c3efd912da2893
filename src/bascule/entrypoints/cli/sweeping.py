"""`sweeper`: the wallet that flushes the deposit addresses of a chain."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.domain.flush import ADDRESSES_MAX
from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.cli.wallets import named_wallet
from bascule.entrypoints.cli.watching import required
from bascule.entrypoints.failures import CommandFailed

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings

GWEI = 10**9

Chain = Annotated[str, typer.Option(help="Chain id or name.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(
        help="The wallet that flushes deposit addresses.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command()(register)
    group.command("confirm-collector")(confirm_collector)
    group.command("coin-call")(coin_call)
    app.add_typer(group, name="sweeper")


def register(
    chain: Chain,
    max_fee_gwei: Annotated[
        float, typer.Option(help="The signer signs for no more per gas.", min=0.001, max=100_000)
    ],
    wallet: Annotated[
        str | None, typer.Option(help="Its address, 0x…; else that of the sweeper's key configured here.")
    ] = None,
    max_addresses: Annotated[
        int, typer.Option(help="Deposit addresses in one call, at most.", min=1, max=ADDRESSES_MAX)
    ] = ADDRESSES_MAX,
    as_json: AsJson = False,
) -> None:
    """Makes a wallet the sweeper of a chain, for every token it accepts. Again sets other limits."""
    limits = {"max_fee_per_gas": round(max_fee_gwei * GWEI), "max_addresses": max_addresses}
    rows(asyncio.run(_register(loaded_settings(), chain, wallet, limits)), as_json=as_json)


def confirm_collector(
    chain: Chain,
    collector: Annotated[str, typer.Option(help="Where flushes go, or will go: 0x…, as you expect it.")],
    reason: Annotated[str, typer.Option(help="Why it is ours; it is kept in the audit log.")],
    as_json: AsJson = False,
) -> None:
    """Takes a collector for ours that the factory names, so that flushes go on. Asks the factory first."""
    required(reason)
    rows([asyncio.run(_confirm(loaded_settings(), chain, collector, reason))], as_json=as_json)


async def _confirm(settings: Settings, chain: str, named: str, reason: str) -> dict[str, Any]:
    from bascule.chain import factory
    from bascule.domain.chain import checksum, parse_address
    from bascule.entrypoints import wiring
    from bascule.services.collector_watch import confirm

    collector = parse_address(named, param="collector")
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        network = await wiring.network_of(db, chain)
        if network.deposit_factory is None:
            raise CommandFailed(
                f"chain {chain} has no deposit factory", f"run: bascule chains publish {chain}"
            )
        rpc = rpcs[settings.chain(network.chain_id).id]
        said = await factory.collectors(rpc, network.deposit_factory)
        async with db.transaction() as conn:
            scheduled = await confirm(conn, network, collector, said, reason=reason)
    then = "when it is in place, run this again" if scheduled else "set it in [chains.contracts] too"
    return {
        "chain": network.chain_id,
        "collector": checksum(collector),
        "state": "scheduled" if scheduled else "in place",
        "next": then,
    }


def coin_call(
    chain: Chain,
    address: Annotated[str, typer.Option(help="The deposit address the coin lies at, 0x….")],
    as_json: AsJson = False,
) -> None:
    """Prints the call that moves native coin from an address to the collector; any wallet may send it."""
    rows([asyncio.run(_coin_call(loaded_settings(), chain, address))], as_json=as_json)


async def _coin_call(settings: Settings, chain: str, named: str) -> dict[str, str]:
    from bascule.chain import factory
    from bascule.domain import forwarder
    from bascule.domain.chain import ZERO_ADDRESS, checksum, parse_address
    from bascule.entrypoints import wiring
    from bascule.storage import addresses

    at = parse_address(named, param="address")
    seed: bytes = settings.need("deposit_seed")
    async with wiring.owner(settings) as db:
        network = await wiring.network_of(db, chain)
        async with db.read() as conn:
            found = await addresses.deposit_address_at(conn, network.chain_id, at)
    if found is None:
        raise CommandFailed(
            f"{checksum(at)} is no deposit address on chain {chain}", "copy `to` of the deposit"
        )
    data = factory.flush_calldata([forwarder.salt(seed, found.epoch, found.n)], ZERO_ADDRESS)
    return {"to": checksum(found.factory), "value": "0", "data": "0x" + data.hex()}


async def _register(
    settings: Settings, chain: str, named: str | None, limits: dict[str, int]
) -> list[dict[str, Any]]:
    from bascule.domain.chain import checksum
    from bascule.entrypoints import service_wallets, sweeping, wiring
    from bascule.storage import tokens
    from bascule.storage.migrate import require_schema

    wallet = await named_wallet(settings, named, "sweeper")
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        await require_schema(db, "signer")
        network = await wiring.network_of(db, chain)
        factory = network.deposit_factory
        async with db.read() as conn:
            accepted = [t for t in await tokens.every(conn) if t.chain_id == network.chain_id and t.accepted]
        if factory is None or not accepted:
            what = "no deposit factory" if factory is None else "no accepted token"
            raise CommandFailed(
                f"chain {chain} has {what}, so nothing can be flushed", f"run: bascule chains publish {chain}"
            )
        nonce = await service_wallets.first_nonce(rpcs[settings.chain(network.chain_id).id], wallet)
        hard = sweeping.hard_limits(**limits)
        async with db.transaction() as conn:
            changed = await sweeping.register(
                conn, network.chain_id, wallet, factory=factory, tokens=[t.contract for t in accepted],
                limits=hard, next_nonce=nonce,
            )  # fmt: skip
    return [
        {
            "lane": f"{network.chain_id}/sweeper",
            "wallet": checksum(wallet),
            "factory": checksum(factory),
            "token": each.currency,
            "contract": checksum(each.contract),
            "max_fee_gwei": limits["max_fee_per_gas"] / GWEI,
            "max_addresses": hard.max_addresses,
            "limits": "new" if each.contract in changed else "as before",
        }
        for each in accepted
    ]
