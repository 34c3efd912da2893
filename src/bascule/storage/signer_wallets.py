"""Rows of the signer's wallets: their role, the kill switch, and marks that only rise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("signer_wallets")

Role = Literal["lane", "canceller", "sweeper", "x402", "gas", "anchor"]


@dataclass(frozen=True, slots=True)
class SignerWallet:
    """One wallet. epoch, highest_nonce: the highest that were answered for, or used before it came here."""

    role: Role
    epoch: int
    highest_nonce: int
    frozen: bool


async def add(
    conn: Connection, chain_id: int, address: Address, *, role: Role = "lane", first_nonce: int = 0
) -> None:
    """The signer may use this wallet in that role, from that nonce on; repeating it is harmless."""
    await Q.run(conn, "add", chain_id=chain_id, address=address, role=role, first_nonce=first_nonce)


async def get(conn: Connection, chain_id: int, address: Address) -> SignerWallet | None:
    """The wallet as it stands now."""
    row = await Q.maybe(conn, "get", chain_id=chain_id, address=address)
    return None if row is None else SignerWallet(**row)


async def lock(conn: Connection, chain_id: int, address: Address) -> SignerWallet | None:
    """The wallet, with every other question about it waiting until the transaction ends."""
    row = await Q.maybe(conn, "lock", chain_id=chain_id, address=address)
    return None if row is None else SignerWallet(**row)


async def exists(conn: Connection, address: Address) -> bool:
    """Whether it is a wallet of the signer's, on whatever chain."""
    return bool(await Q.scalar(conn, "exists", address=address))


async def raise_marks(conn: Connection, chain_id: int, address: Address, *, epoch: int, nonce: int) -> None:
    """The wallet has seen this epoch and this nonce."""
    await Q.run(conn, "raise_marks", chain_id=chain_id, address=address, epoch=epoch, nonce=nonce)


async def freeze(conn: Connection, chain_id: int, address: Address, *, frozen: bool) -> None:
    """Turns the kill switch (the owner's login alone may)."""
    await Q.run(conn, "freeze", chain_id=chain_id, address=address, frozen=frozen)
