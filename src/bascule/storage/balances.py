"""What an account has, per chain and contract, as the books and the open deposits say."""

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.domain.chain import Address
from bascule.storage.arrays import texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("balances")


@dataclass(frozen=True, slots=True)
class Balance:
    """One token's amounts in base units. pending: not final; held: for payouts; unapplied: in suspense;
    reserved: of what is available, what settlements leave."""

    token_id: str
    chain_id: int
    contract: Address
    currency: str
    decimals: int
    available: int
    held: int
    reserved: int
    unapplied: int
    pending: int


@dataclass(frozen=True, slots=True)
class Grown:
    """What is available to an account of a token, in base units, and by how much that just grew."""

    account_id: str
    livemode: bool
    token_id: str
    chain_id: int
    contract: Address
    currency: str
    decimals: int
    available: int
    grown: int


async def of_account(conn: Connection, account_id: str, livemode: bool) -> list[Balance]:
    """One row for every accepted token of the mode, also when it is empty."""
    rows = await _Q.all(conn, "of_account", account_id=account_id, livemode=livemode)
    amounts = ("available", "held", "reserved", "unapplied", "pending")
    return [Balance(**row | {name: int(row[name]) for name in amounts}) for row in rows]


async def grown_by(conn: Connection, deposit_ids: Sequence[str]) -> list[Grown]:
    """What this transaction made available by booking these deposits, or what was decided of them."""
    rows = await _Q.all(conn, "grown_by", deposit_ids=texts(deposit_ids))
    return [Grown(**row | {name: int(row[name]) for name in ("available", "grown")}) for row in rows]


async def available(conn: Connection, account_id: str, token_id: str) -> int:
    """Base units the account may spend now; what is on hold is not among them."""
    return int(await _Q.scalar(conn, "available", account_id=account_id, token_id=token_id))
