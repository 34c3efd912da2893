"""Rows of floats: what each vault holds against what is wanted of it, and what treasury is asked to send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address, ChainId
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("floats")


@dataclass(frozen=True, slots=True)
class Demand:
    """Base units. held: booked in the vault; paying: in unfinished batches; waiting: approved, in none."""

    held: int
    paying: int
    waiting: int

    @property
    def missing(self) -> int:
        """What the vault lacks to pay all of it; 0 when it lacks nothing."""
        return max(0, self.waiting + self.paying - self.held)


@dataclass(frozen=True, slots=True)
class Float:
    """A token in a vault.

    coming: capital that is not final; given: to batches lately; proposed: asked of treasury and still open.
    """

    chain_id: ChainId
    vault: Address
    token_id: str
    contract: Address
    currency: str
    decimals: int
    demand: Demand
    coming: int
    given: int
    proposed: int | None
    proposed_at: datetime | None


async def demand(conn: Connection, vault: Address, token_id: str) -> Demand:
    """What a vault has of a token, and what is wanted of it."""
    row = await Q.one(conn, "demand", vault=vault, token_id=token_id)
    return Demand(**{name: int(value) for name, value in row.items()})


async def propose(conn: Connection, chain_id: int, vault: Address, token_id: str, at: datetime) -> int:
    """Treasury is asked for what is missing now; returns it. While that is open the most is asked for."""
    missing = (await demand(conn, vault, token_id)).missing
    if missing:
        await Q.run(
            conn, "propose", chain_id=chain_id, vault=vault, token_id=token_id, amount=missing, at=at
        )  # fmt: skip
    return missing


async def covered(conn: Connection, chain_id: int, vault: Address) -> list[str]:
    """The tokens treasury was asked for that a vault does not lack any more."""
    asked = [row["token_id"] for row in await Q.all(conn, "open", chain_id=chain_id, vault=vault)]
    return [token_id for token_id in asked if not (await demand(conn, vault, token_id)).missing]


async def settle(conn: Connection, chain_id: int, vault: Address, token_id: str, at: datetime) -> None:
    """What was asked for is there, or not needed any more; repeating it changes nothing."""
    await Q.run(conn, "settle", chain_id=chain_id, vault=vault, token_id=token_id, at=at)


async def every(conn: Connection, since: datetime) -> list[Float]:
    """Each accepted token in each vault. since: of what was given; conn: under the owner's login."""
    found = []
    for row in await Q.all(conn, "vaults", since=since):
        vault = Address(bytes(row["vault"]))
        found.append(
            Float(
                chain_id=row["chain_id"],
                vault=vault,
                token_id=row["token_id"],
                contract=Address(bytes(row["contract"])),
                currency=row["currency"],
                decimals=row["decimals"],
                demand=await demand(conn, vault, row["token_id"]),
                coming=int(row["coming"]),
                given=int(row["given"]),
                proposed=None if row["proposed"] is None else int(row["proposed"]),
                proposed_at=row["proposed_at"],
            )
        )
    return found
