"""`sources`: the addresses outside whose money is the operator's capital."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(
        help="Where the operator's capital comes from.", no_args_is_help=True, rich_markup_mode=None
    )  # fmt: skip
    group.command()(add)
    group.command("list")(every)
    app.add_typer(group, name="sources")


def add(
    chain: Annotated[str, typer.Option(help="Chain id or name.")],
    address: Annotated[str, typer.Option(help="The address outside, 0x…, such as the owners' Safe.")],
    label: Annotated[str, typer.Option(help="What people call it.")] = "",
    as_json: AsJson = False,
) -> None:
    """What comes from this address to vault or collector is capital, from now on; else it is held back."""
    rows([asyncio.run(_add(loaded_settings(), chain, address, label))], as_json=as_json)


def every(as_json: AsJson = False) -> None:
    """The addresses whose money is capital."""
    rows(asyncio.run(_every(loaded_settings())), as_json=as_json, empty="no source is registered")


async def _add(settings: Settings, chain: str, named: str, label: str) -> dict[str, Any]:
    from bascule.domain.chain import checksum, parse_address
    from bascule.entrypoints import sourcing, wiring

    address = parse_address(named, param="address")
    async with wiring.owner(settings) as db:
        network = await wiring.network_of(db, chain)
        async with db.transaction() as conn:
            new = await sourcing.add(conn, network.chain_id, address, label)
    return {"chain": network.name, "source": checksum(address), "registered": "now" if new else "before"}


async def _every(settings: Settings) -> list[dict[str, Any]]:
    from bascule.domain.chain import Address, checksum
    from bascule.entrypoints import wiring
    from bascule.storage import addresses

    async with wiring.owner(settings) as db, db.read() as conn:
        found = await addresses.treasury_sources(conn)
    return [
        {"chain": row["name"], "source": checksum(Address(bytes(row["address"]))), "label": row["label"]}
        for row in found
    ]
