"""What the rows say each of our wallets has of its chain's native coin. Amounts in wei."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bascule.domain.chain import Address
from bascule.storage.arrays import bytes_, numbers
from bascule.storage.database import Connection
from bascule.storage.gas import Q


@dataclass(frozen=True, slots=True)
class Purse:
    """A wallet that had `base` at block `since`. block_number: the newest final one."""

    chain_id: int
    address: Address
    name: str
    token_id: str
    livemode: bool
    since: int
    base: int
    block_number: int


@dataclass(frozen=True, slots=True)
class CoinBooks:
    """settled: nothing of it is under way. came, went: top-ups; gas: booked fees; all since `base`."""

    base: int
    came: int
    went: int
    gas: int
    settled: bool

    @property
    def expected(self) -> int:
        """What the wallet has if everything was booked."""
        return self.base + self.came - self.went - self.gas


async def purses(conn: Connection) -> list[Purse]:
    """The wallets of all chains that can be looked at."""
    return [
        Purse(**{**row, "address": Address(bytes(row["address"])), "base": int(row["base"])})
        for row in await Q.all(conn, "wallets_opened")
    ]


async def booked(conn: Connection, purse: Purse, nonces: Mapping[Address, int]) -> CoinBooks:
    """As of the purse's block. nonces: how many each wallet of the chain had used at its end."""
    row = await Q.one(
        conn,
        "booked",
        chain_id=purse.chain_id,
        wallet=purse.address,
        since=purse.since,
        block_number=purse.block_number,
        wallets=bytes_(nonces),
        nonces=numbers(nonces.values()),
    )
    amounts = {name: int(row[name]) for name in ("came", "went", "gas")}
    return CoinBooks(purse.base, **amounts, settled=row["settled"])


async def mark(conn: Connection, purse: Purse, books: CoinBooks) -> None:
    """Later looks begin at the purse's block, at which it had what was booked."""
    await Q.run(
        conn, "mark", chain_id=purse.chain_id, wallet=purse.address, block_number=purse.block_number,
        amount=Decimal(books.expected),
    )  # fmt: skip
