"""`lanes`: the wallets that pay from a vault, side by side."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.domain.vault import LANE_MAX
from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import CommandFailed

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(
        help="The wallets that pay from a vault, side by side.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("open")(open_)
    app.add_typer(group, name="lanes")


def open_(
    chain: Annotated[str, typer.Option(help="Chain id or name.")],
    number: Annotated[int, typer.Option(help="The lane's number in the vault.", min=0, max=LANE_MAX)],
    wallet: Annotated[str, typer.Option(help="Its operator, 0x…, as the vault has it.")],
    send: Annotated[
        bool, typer.Option("--send", help="Make it the operator first, with the owner's key.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Opens a lane whose operator the vault knows; again is harmless. Then run a submitter for it."""
    rows([asyncio.run(opened(loaded_settings(), chain, number, wallet, send=send))], as_json=as_json)


async def opened(
    settings: Settings, chain: str, number: int, named: str, *, send: bool, dry_run: bool = False
) -> dict[str, Any]:
    """The lane as it stands then. send: the owner's key here makes the wallet its operator first.

    dry_run: it is only looked whether it could be opened. Raises: Rejected, Conflict, as `Caller.call`.
    """
    from bascule.domain.chain import checksum, parse_address
    from bascule.entrypoints import laning, service_wallets, vault_roles, wiring
    from bascule.storage.migrate import require_schema

    wallet = parse_address(named, param="wallet")
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        await require_schema(db, "signer")
        network = await wiring.network_of(db, chain)
        if network.vault is None:
            raise CommandFailed(f"chain {chain} has no vault", f"run: bascule chains publish {chain}")
        rpc = rpcs[settings.chain(network.chain_id).id]
        async with db.read() as conn:
            known = await laning.stands(conn, network.chain_id, network.vault, lane=number, wallet=wallet)
        if not known and send:
            await vault_roles.act(
                settings, rpc, network.chain_id, network.vault, "owner", "setLane", number,
                checksum(wallet), send=True, told=lambda _: None,
            )  # fmt: skip
        if not known:
            await laning.require_fresh(rpc, network.vault, number, wallet)
        nonce = await service_wallets.first_nonce(rpc, wallet)
        lane = f"{network.chain_id}/{laning.name_of(number)}"
        if dry_run:
            return {"lane": lane, "wallet": checksum(wallet), "next": "would be opened"}
        async with db.transaction() as conn:
            await laning.open_lane(
                conn, network.chain_id, network.vault, lane=number, wallet=wallet, next_nonce=nonce
            )
    return {"lane": lane, "wallet": checksum(wallet), "next": f"bascule submitter --lane {lane}"}
