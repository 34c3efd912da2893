"""`chains publish`, `tokens resume|unlist`: what is served, and what a person takes back into service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, line, rows, say
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.entrypoints.publishing import Published
    from bascule.storage.tokens import Token


def publish_chain(
    chain: Annotated[str, typer.Argument(help="Chain id or name, as in [[chains]].")],
    as_json: AsJson = False,
) -> None:
    """Serves a chain and its tokens as configured. Asks the chain first; again is harmless."""
    from bascule.domain.errors import Rejected
    from bascule.entrypoints import wiring
    from bascule.entrypoints.publishing import publish

    async def work() -> Published:
        settings = loaded_settings()
        found = next((each for each in settings.chains if chain in (str(each.id), each.name)), None)
        if found is None:
            known = ", ".join(f"{each.id} ({each.name})" for each in settings.chains) or "none"
            raise Rejected(
                "chain_unknown", f"there is no chain {chain} in the configuration",
                param="chain", next_step=f"chains there: {known}; add it to [[chains]]",
            )  # fmt: skip
        async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
            return await publish(db, rpcs[found.id], settings, found)

    done = asyncio.run(work())
    if as_json:
        told = {"offered": done.offered, "withdrawn": done.withdrawn}
        shown = {key: [shown_token(each) for each in part] for key, part in told.items()}
        line({"event": "published", "chain": done.network.chain_id, **shown})
        return
    say(f"Chain {done.network.chain_id} ({done.network.name}) is served.")
    rows([shown_token(each) for each in done.offered], as_json=False, empty="no tokens")
    for token in done.withdrawn:
        say(f"No longer offered, still counted: {token.currency} {token.id}")


def resume_token(
    token: Annotated[str, typer.Argument(help="The token, tok_….")],
    reason: Annotated[str, typer.Option(help="Why it may be credited and paid out again; kept for ever.")],
    as_json: AsJson = False,
) -> None:
    """Takes a suspended token back. What arrived meanwhile is booked with the next final block."""
    from bascule.entrypoints import wiring
    from bascule.services.token_resuming import resume

    async def work() -> list[dict[str, Any]]:
        settings = loaded_settings()
        seams = wiring.Seams(settings)
        async with wiring.owner(settings) as db, db.transaction() as conn:
            ended = await resume(conn, token, reason=reason, clock=seams.clock, outbox=seams.outbox)
        return [
            {"token": token, "cause": each.cause, "since": each.opened_at.isoformat(timespec="seconds")}
            for each in ended
        ]

    rows(asyncio.run(work()), as_json=as_json)


def unlist(
    token: Annotated[str, typer.Argument(help="The token, tok_….")],
    address: Annotated[str, typer.Argument(help="The deposit address that its list names.")],
    reason: Annotated[str, typer.Option(help="Why money there may be credited again; kept for ever.")],
    accept_risk: Annotated[
        bool, typer.Option("--accept-risk", help="Also where the chain does not show that it may move.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ends what a token's list holds at one address, once the chain lets it move the token."""
    from bascule.domain.chain import parse_address
    from bascule.domain.errors import Rejected
    from bascule.entrypoints import wiring
    from bascule.services import unlisting

    async def work() -> unlisting.Looked:
        settings = loaded_settings()
        seams = wiring.Seams(settings)
        async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
            async with db.read() as conn:
                chain_id = (await unlisting.token_of(conn, token)).chain_id
            if chain_id not in rpcs:
                raise Rejected("chain_unknown", f"no node of chain {chain_id} is configured")
            looked = await unlisting.look(db, rpcs[chain_id], token, parse_address(address))
            async with db.transaction() as conn:
                await unlisting.end(conn, looked, reason=reason, accept_risk=accept_risk, clock=seams.clock)
        return looked

    done = asyncio.run(work())
    rows([{"token": token, "address": address, "upto": done.upto, "shown": done.moves}], as_json=as_json)


def shown_token(token: Token) -> dict[str, Any]:
    """A token in tables and lines."""
    from bascule.domain.chain import checksum
    from bascule.domain.money import display_units

    return {
        "id": token.id,
        "chain": token.chain_id,
        "currency": token.currency,
        "contract": checksum(token.contract),
        "decimals": token.decimals,
        "accepted": token.accepted,
        "offered": token.offered,
        "suspended": token.suspended,
        "dust": display_units(token.dust, token.decimals),
        "minimum": display_units(token.minimum, token.decimals),
    }
