"""The tokens we know, by chain and contract; the native coin is the one of twenty zero bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bascule.domain.chain import Address, ChainId
from bascule.domain.errors import Conflict
from bascule.domain.money import Asset
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_sql = Queries("tokens")


@dataclass(frozen=True, slots=True)
class Token:
    """A token. accepted: it counts as payment and is booked; the native coin never does.

    offered: new intents may be paid in it; a token that is not offered any more still counts.
    dust, minimum: base units; an arrival below the first is taken for spam, below the second for too little.
    suspended: why it is neither offered, credited nor paid out now, None while nothing stands against it.
    """

    id: str
    chain_id: ChainId
    contract: Address
    currency: str
    name: str
    decimals: int
    accepted: bool
    offered: bool = True
    dust: int = 0
    minimum: int = 0
    suspended: str | None = None

    @property
    def asset(self) -> Asset:
        """The token's identity in amounts."""
        return Asset(self.chain_id, self.contract, self.currency, self.decimals)

    @property
    def payable(self) -> bool:
        """Whether a new intent may accept it."""
        return self.accepted and self.offered and self.suspended is None


async def publish(conn: Connection, token: Token) -> Token:
    """Adds the token, or changes its name and whether it is accepted and offered; the stored one is returned.

    Raises: Conflict `token_unexpected_state` when the contract is known with other decimals or currency.
    """
    row = await _sql.maybe(
        conn,
        "publish",
        id=token.id,
        chain_id=token.chain_id,
        contract=token.contract,
        currency=token.currency,
        name=token.name,
        decimals=token.decimals,
        accepted=token.accepted,
        offered=token.offered,
    )
    if row is None:
        raise Conflict(
            "token_unexpected_state",
            f"{token.asset} is known with another currency or other decimals; those never change.",
        )
    found = await get(conn, row["id"])
    assert found is not None, "it was just published"
    return found


async def get(conn: Connection, token_id: str) -> Token | None:
    """The token with this id."""
    row = await _sql.maybe(conn, "get", id=token_id)
    return None if row is None else _token(row)


async def by_contract(conn: Connection, chain_id: ChainId, contract: Address) -> Token | None:
    """The token at this contract."""
    row = await _sql.maybe(conn, "by_contract", chain_id=chain_id, contract=contract)
    return None if row is None else _token(row)


async def every(conn: Connection) -> list[Token]:
    """All tokens, by chain and currency."""
    return [_token(row) for row in await _sql.all(conn, "every")]


async def withdraw(conn: Connection, chain_id: ChainId, but: Sequence[Address]) -> list[Token]:
    """Offers the chain's tokens no more, but for these contracts; those that were offered until now."""
    gone = {row["id"] for row in await _sql.all(conn, "withdraw", chain_id=chain_id, but=list(but))}
    return [token for token in await every(conn) if token.id in gone]


async def set_floors(conn: Connection, token_id: str, dust: int, minimum: int) -> Token | None:
    """Sets from which amounts on, in base units, arrivals count; what was decided before stays."""
    await _sql.run(conn, "set_floors", id=token_id, dust=Decimal(dust), minimum=Decimal(minimum))
    return await get(conn, token_id)


async def accepted(conn: Connection, chain_id: ChainId) -> list[Address]:
    """The contracts on a chain that count as payment."""
    return [Address(row["contract"]) for row in await _sql.all(conn, "accepted", chain_id=chain_id)]


def _token(row: Row) -> Token:
    return Token(**row | {"dust": int(row["dust"]), "minimum": int(row["minimum"])})
