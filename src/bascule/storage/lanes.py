"""Rows of lanes: a vault's lane is one wallet, one nonce sequence, one id sequence and one head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Halted, NotFound
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("lanes")


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane. head: the vault's head after the last final batch; next_nonce: first nonce never taken."""

    chain_id: int
    lane: int
    name: str
    vault: Address
    wallet: Address
    next_sequence: int
    head: Hash
    state: str
    next_nonce: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet we take nonces of. next_nonce: the first that was never taken."""

    chain_id: int
    address: Address
    name: str
    next_nonce: int


async def add_wallet(
    conn: Connection, chain_id: int, address: Address, *, name: str, next_nonce: int = 0
) -> None:
    """The wallet is known under `name`; repeating it is harmless."""
    await Q.run(
        conn, "add_wallet", chain_id=chain_id, address=address, name=name, next_nonce=next_nonce
    )  # fmt: skip


async def open(
    conn: Connection, chain_id: int, *, lane: int, name: str, vault: Address, wallet: Address
) -> None:
    """The lane stands; repeating it is harmless."""
    await Q.run(conn, "open", chain_id=chain_id, lane=lane, name=name, vault=vault, wallet=wallet)


async def get(conn: Connection, chain_id: int, name: str) -> Lane:
    """The lane of that name. Raises: NotFound."""
    return _lane(await Q.maybe(conn, "by_name", chain_id=chain_id, name=name), chain_id, name)


async def lock(conn: Connection, chain_id: int, name: str) -> Lane:
    """The lane and its wallet, locked until the transaction ends. Raises: NotFound."""
    return _lane(await Q.maybe(conn, "lock", chain_id=chain_id, name=name), chain_id, name)


async def service_wallet(conn: Connection, chain_id: int, name: str, *, lock: bool = False) -> Wallet | None:
    """The wallet of a lane that has no vault, by the lane's name; None when there is none.

    lock: nobody else takes a nonce of it until the transaction ends.
    """
    query = "lock_wallet" if lock else "wallet_by_name"
    row = await Q.maybe(conn, query, chain_id=chain_id, name=name)
    return None if row is None else Wallet(**row)


async def service_wallets(conn: Connection, names: Sequence[str]) -> list[Wallet]:
    """The wallets of all chains' lanes of these names, which have no vault."""
    return [Wallet(**row) for row in await Q.all(conn, "of_services", names=list(names))]


async def end_service(conn: Connection, wallet: Wallet) -> None:
    """The locked wallet is its lane's no more (the owner's login alone may)."""
    await Q.run(conn, "end_service", chain_id=wallet.chain_id, address=wallet.address)


async def wallet_at(conn: Connection, chain_id: int, address: Address) -> Wallet | None:
    """The wallet of this address, of whichever lane; None when no lane has it."""
    row = await Q.maybe(conn, "wallet_by_address", chain_id=chain_id, address=address)
    return None if row is None else Wallet(**row)


async def closed_reason(conn: Connection, chain_id: int, address: Address) -> str | None:
    """Why nothing is reserved on the wallet's lane; None while it is open."""
    row = await Q.maybe(conn, "closed_reason", chain_id=chain_id, address=address)
    return None if row is None else row["closed_reason"]


async def say_closed(conn: Connection, chain_id: int, address: Address, why: str | None) -> None:
    """Keeps why the wallet's lane is closed, or that it is open."""
    await Q.run(conn, "say_closed", chain_id=chain_id, address=address, why=why)


async def closed(conn: Connection) -> dict[str, str]:
    """Why each closed lane (`CHAIN/NAME`) is closed."""
    return {f"{row['chain_id']}/{row['name']}": row["closed_reason"] for row in await Q.all(conn, "closed")}


async def every_open(conn: Connection) -> list[Lane]:
    """The lanes of all vaults that are not retired."""
    return [_lane(row, row["chain_id"], row["name"]) for row in await Q.all(conn, "with_a_vault")]


async def open_of_vault(conn: Connection, chain_id: int, vault: Address) -> list[Lane]:
    """A vault's lanes that are not retired, in the order of their numbers."""
    rows = await Q.all(conn, "open_of_vault", chain_id=chain_id, vault=vault)
    return [_lane(row, chain_id, row["name"]) for row in rows]


async def of_vault(conn: Connection, chain_id: int, vault: Address) -> set[int]:
    """The numbers of a vault's lanes, retired ones too."""
    return {row["lane"] for row in await Q.all(conn, "of_vault", chain_id=chain_id, vault=vault)}


async def vaults(conn: Connection) -> set[tuple[int, Address]]:
    """The vaults of all lanes, retired ones too, by chain."""
    return {(row["chain_id"], Address(bytes(row["vault"]))) for row in await Q.all(conn, "vaults")}


async def retire(conn: Connection, lane: Lane) -> None:
    """The locked lane takes no payout any more."""
    await Q.run(conn, "advance_to_retired", chain_id=lane.chain_id, vault=lane.vault, lane=lane.lane)


async def take_nonce(conn: Connection, wallet: Wallet) -> int:
    """The next nonce of a locked wallet, taken for ever once the transaction commits."""
    taken = await Q.run(
        conn, "take_nonce", chain_id=wallet.chain_id, address=wallet.address, nonce=wallet.next_nonce
    )  # fmt: skip
    _require_taken(wallet, taken)
    return wallet.next_nonce


async def take(conn: Connection, lane: Lane, next_sequence: int) -> int:
    """The next nonce of a locked lane and every sequence below `next_sequence`, taken for ever as above."""
    row = await Q.one(
        conn,
        "take",
        chain_id=lane.chain_id,
        address=lane.wallet,
        nonce=lane.next_nonce,
        vault=lane.vault,
        lane=lane.lane,
        next_sequence=next_sequence,
    )
    _require_taken(lane, row["nonces"])
    if row["sequences"] != 1:
        raise Halted(f"sequences of lane {lane.name} went back from {lane.next_sequence} to {next_sequence}")
    return lane.next_nonce


def _require_taken(lane: Lane | Wallet, nonces: int) -> None:
    if nonces != 1:
        raise Halted(f"nonce {lane.next_nonce} of lane {lane.name} was taken by somebody else under its lock")


async def move_head(conn: Connection, lane: Lane, *, old: Hash, new: Hash) -> None:
    """The lane's head goes from `old` to `new`; Halted when it stood elsewhere."""
    moved = await Q.run(
        conn, "move_head", chain_id=lane.chain_id, vault=lane.vault, lane=lane.lane, old=old, new=new
    )
    if moved != 1:
        raise Halted(f"the head of lane {lane.name} is not the one its final batch was built on")


def _lane(row: Row | None, chain_id: int, name: str) -> Lane:
    if row is None:
        raise NotFound("resource_missing", f"No such lane: {chain_id}/{name}.", param="lane")
    values = dict(row)
    values["vault"] = Address(bytes(row["vault"]))
    values["wallet"] = Address(bytes(row["wallet"]))
    values["head"] = Hash(bytes(row["head"]))
    values["next_sequence"] = int(row["next_sequence"])
    return Lane(**values)
