"""Addresses of ours that a token's issuer lists, and an operator's word that one is listed no more."""

from datetime import datetime

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.queries import Queries
from bascule.storage.tokens import Token

_sql = Queries("listings")


async def is_listed(conn: Connection, token: Token, address: Address) -> bool:
    """Whether money of the token is held at the address."""
    return bool(
        await _sql.scalar(conn, "is_listed", chain_id=token.chain_id, token=token.contract, address=address)
    )


async def end(
    conn: Connection, token: Token, address: Address, upto: int, shown: bool, reason: str, at: datetime
) -> None:
    """What was said of it up to this height holds it no more. shown: the chain bears it out."""
    await _sql.run(
        conn, "end", chain_id=token.chain_id, token=token.contract, address=address, upto=upto, shown=shown,
        reason=reason, at=at,
    )  # fmt: skip
