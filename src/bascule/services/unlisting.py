"""An operator ends what a token's list holds at one of our addresses, where no event of the token did.

A list may be emptied without a word, by an upgrade or under a name that nobody knows. The chain is asked
first: whether it lets the address move the token. What it does not show is taken at the operator's risk.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.chain import erc20
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.services.seams import Clock
from bascule.storage import audit, blocks, listings, tokens
from bascule.storage.database import Connection, Database
from bascule.storage.tokens import Token


@dataclass(frozen=True, slots=True)
class Looked:
    """What stands against an address. upto: the final height it was looked at; moves: whether it may move
    the token there.
    """

    token: Token
    address: Address
    upto: int
    moves: bool


async def token_of(conn: Connection, token_id: str) -> Token:
    """Raises: NotFound."""
    token = await tokens.get(conn, token_id)
    if token is None:
        raise NotFound("resource_missing", f"There is no token {token_id}.", next_step="bascule tokens list")
    return token


async def look(db: Database, rpc: Caller, token_id: str, address: Address) -> Looked:
    """Asks the chain at our final block. Raises: NotFound, Conflict when nothing is listed, as reads do."""
    async with db.read() as conn:
        token = await token_of(conn, token_id)
        cursor = await blocks.cursor(conn, token.chain_id)
        if cursor is None or not await listings.is_listed(conn, token, address):
            raise Conflict(
                "listing_unexpected_state",
                f"{checksum(address)} is on no list of {token_id} that is read.",
                next_step="the break `address_listed` names the token and the address",
            )
    moves = await erc20.may_move(rpc, token.contract, address, cursor.finalized_number)
    return Looked(token, address, cursor.finalized_number, moves)


async def end(
    conn: Connection, looked: Looked, *, reason: str, accept_risk: bool, clock: Clock, actor: str = "cli"
) -> None:
    """What is held there is decided anew with the next final block; in the transaction of the owner.

    Raises: Rejected without a reason; Conflict while the chain does not show it and no risk is taken.
    """
    if not reason.strip():
        raise Rejected("parameter_missing", "A listing ends for a reason.", param="reason")
    where = checksum(looked.address)
    if not looked.moves and not accept_risk:
        raise Conflict(
            "listing_unexpected_state",
            f"At block {looked.upto} the token lets {where} move nothing: it is listed still, or paused.",
            next_step="wait for its issuer; --accept-risk credits money that may never be moved",
        )
    await listings.end(conn, looked.token, looked.address, looked.upto, looked.moves, reason, clock.now())
    details = {"address": where, "upto": looked.upto, "shown": looked.moves, "reason": reason}
    await audit.append(conn, actor=actor, action="token.unlist", object_id=looked.token.id, details=details)
