"""Rows of authorizations: what payers signed, which nonce of ours carries it, and the deposit it became."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bascule.domain.authorization import (
    AUTHORIZATION,
    DAY,
    GAS,
    IN_FLIGHT,
    LANE,
    Authorization,
    AuthorizationEvent,
    AuthorizationState,
    Failure,
    SigningDomain,
)
from bascule.domain.chain import Address, ChainId, Hash
from bascule.domain.errors import Halted
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row
from bascule.storage.slots import Slot

Q = Queries("authorizations")
S, E = AuthorizationState, AuthorizationEvent
MOST = 100  # pending ones that are looked at in one turn


@dataclass(frozen=True, slots=True)
class NewAuthorization:
    """What is fixed for ever. identifier: the payer's name for it; since_block: its nonce was unused then."""

    id: str
    account_id: str
    livemode: bool
    chain_id: ChainId
    token_id: str
    signed: Authorization
    signature: bytes
    identifier: str | None
    resource: str | None
    since_block: int


@dataclass(frozen=True, slots=True)
class AuthorizationRow(NewAuthorization):
    """One authorization as stored. paid_by: its deposit's transaction; carried_by: the newest of ours."""

    contract: Address
    currency: str
    decimals: int
    state: AuthorizationState
    failure_code: Failure | None
    waits_for: str | None
    deposit_id: str | None
    paid_by: Hash | None
    carried_by: Hash | None
    created_at: datetime
    ended_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Pending:
    """One of which nobody knows yet what comes of it."""

    id: str
    contract: Address
    payer: Address
    nonce: bytes
    pay_to: Address
    amount: int
    valid_before: int
    since_block: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A token that may be paid with by authorizations, and the wallet that presents them."""

    chain_id: ChainId
    livemode: bool
    contract: Address
    domain: SigningDomain
    wallet: Address


async def insert(conn: Connection, new: NewAuthorization, now: datetime) -> bool:
    """Writes it down; False when its nonce or its identifier is known."""
    signed = new.signed
    row = await Q.maybe(
        conn, "insert", id=new.id, account_id=new.account_id, livemode=new.livemode, chain_id=new.chain_id,
        token_id=new.token_id, payer=signed.payer, nonce=signed.nonce, pay_to=signed.pay_to,
        amount=Decimal(signed.amount), valid_after=Decimal(signed.valid_after),
        valid_before=Decimal(signed.valid_before), signature=new.signature, identifier=new.identifier,
        resource=new.resource, since_block=new.since_block, now=now,
    )  # fmt: skip
    return row is not None


async def get(conn: Connection, id: str) -> AuthorizationRow | None:
    """One authorization."""
    row = await Q.maybe(conn, "get", id=id)
    return None if row is None else _row(row)


async def of_nonce(conn: Connection, token_id: str, payer: Address, nonce: bytes) -> AuthorizationRow | None:
    """The one that a payer's nonce is of, if it is known."""
    id = await Q.scalar(conn, "id_of_nonce", token_id=token_id, payer=payer, nonce=nonce)
    return None if id is None else await get(conn, id)


async def id_of_identifier(conn: Connection, account_id: str, livemode: bool, identifier: str) -> str | None:
    """The one that an account's identifier is of."""
    id: str | None = await Q.scalar(
        conn, "id_of_identifier", account_id=account_id, livemode=livemode, identifier=identifier
    )
    return id


async def of_slot(conn: Connection, slot: Slot) -> AuthorizationRow:
    """The one that a nonce of ours carries. Raises: Halted when it carries none."""
    id = await Q.scalar(conn, "id_of_slot", **slot.key)
    found = None if id is None else await get(conn, id)
    if found is None:
        raise Halted(f"nonce {slot.nonce} of 0x{slot.wallet.hex()} carries no authorization")
    return found


async def of_deposits(conn: Connection, deposit_ids: Sequence[str]) -> dict[str, str]:
    """Which authorization paid each of these deposits, of those that one paid."""
    rows = await Q.all(conn, "id_of_deposits", deposit_ids=list(deposit_ids))
    return {row["deposit_id"]: row["id"] for row in rows}


async def turn(conn: Connection, chain_id: ChainId, now: datetime) -> str | None:
    """The next one to be presented."""
    id: str | None = await Q.scalar(conn, "turn", chain_id=chain_id, now=now, seconds=int(now.timestamp()))
    return id


async def take(conn: Connection, id: str, wallet: Address, nonce: int) -> None:
    """The nonce carries it. Raises: Halted when another one does."""
    if await Q.run(conn, "take", id=id, wallet=wallet, nonce=nonce) != 1:
        raise Halted(f"authorization {id} waits for no nonce")


async def let_go(conn: Connection, slot: Slot, look_at: datetime, why: str | None = None) -> None:
    """The nonce carries it no more; what came of it is for the chain to say."""
    await Q.run(conn, "let_go", **slot.key, look_at=look_at, why=why)


async def wait(conn: Connection, id: str, look_at: datetime, why: str) -> None:
    """It is looked at again at that time."""
    await Q.run(conn, "wait", id=id, look_at=look_at, why=why)


async def pending(conn: Connection, chain_id: ChainId) -> list[Pending]:
    """Those of which nobody knows yet what comes of them; at most `MOST`, first what nonces carry.

    The others by their next look, which is put off for what cannot be presented: nobody's unpayable ones
    keep the others from being looked at.
    """
    rows = await Q.all(conn, "pending", chain_id=chain_id, most=MOST)
    return [
        Pending(
            row["id"], Address(bytes(row["contract"])), Address(bytes(row["payer"])), bytes(row["nonce"]),
            Address(bytes(row["pay_to"])), int(row["amount"]), int(row["valid_before"]), row["since_block"],
        )
        for row in rows
    ]  # fmt: skip


async def moved(conn: Connection, chain_id: ChainId) -> bool:
    """Whether a deposit of an included one became final, or was orphaned."""
    return bool(await Q.scalar(conn, "moved", chain_id=chain_id))


async def deposit_of_use(
    conn: Connection, chain_id: ChainId, tx_hash: Hash, block_hash: Hash, log_index: int
) -> str | None:
    """The deposit that this Transfer became, unless it answers for another authorization."""
    id: str | None = await Q.scalar(
        conn, "deposit_of_use", chain_id=chain_id, tx_hash=tx_hash, block_hash=block_hash, log_index=log_index
    )
    return id


async def alike(conn: Connection, id: str) -> dict[str, Hash]:
    """The deposits that answer for none and look like what this one pays, with their transactions."""
    return {row["id"]: Hash(bytes(row["tx_hash"])) for row in await Q.all(conn, "alike", id=id)}


async def advance_include(conn: Connection, id: str, deposit_id: str) -> bool:
    """This deposit is what it paid; False when that was known."""
    to = AUTHORIZATION.step(S.PENDING, E.INCLUDE)
    return await Q.run(conn, "advance_include", id=id, deposit_id=deposit_id, from_=S.PENDING, to=to) == 1


async def advance_orphan(conn: Connection, chain_id: ChainId) -> list[str]:
    """Those whose deposit was orphaned wait again."""
    to = AUTHORIZATION.step(S.INCLUDED, E.ORPHAN)
    rows = await Q.all(conn, "advance_orphan", chain_id=chain_id, from_=S.INCLUDED, to=to)
    return [row["id"] for row in rows]


async def advance_finalize(conn: Connection, chain_id: ChainId, now: datetime) -> list[str]:
    """Those whose deposit is final have paid for ever."""
    to = AUTHORIZATION.step(S.INCLUDED, E.FINALIZE)
    rows = await Q.all(conn, "advance_finalize", chain_id=chain_id, now=now, from_=S.INCLUDED, to=to)
    return [row["id"] for row in rows]


async def advance_fail(conn: Connection, id: str, failure: Failure, now: datetime) -> bool:
    """It never pays; False when something else came of it."""
    to = AUTHORIZATION.step(S.PENDING, E.FAIL)
    return await Q.run(conn, "advance_fail", id=id, failure=failure, now=now, from_=S.PENDING, to=to) == 1


async def publish_domain(conn: Connection, token_id: str, domain: SigningDomain) -> None:
    """Holders of the token sign under this domain."""
    await Q.run(conn, "publish_domain", token_id=token_id, name=domain.name, version=domain.version)


async def domain_of(conn: Connection, token_id: str) -> SigningDomain | None:
    """The domain under which the token's holders sign; None: they sign no authorizations."""
    row = await Q.maybe(conn, "domain_of", token_id=token_id)
    return None if row is None else SigningDomain(**row)


async def offers(conn: Connection) -> list[Offer]:
    """Every token that may be paid with by authorizations, by chain and currency."""
    return [
        Offer(
            row["chain_id"], row["livemode"], Address(bytes(row["contract"])),
            SigningDomain(row["name"], row["version"]), Address(bytes(row["wallet"])),
        )
        for row in await Q.all(conn, "domains", lane=LANE)
    ]  # fmt: skip


async def set_budget(conn: Connection, chain_id: ChainId, max_fee_per_gas: int, max_per_day: int) -> None:
    """What presenting authorizations may cost on the chain, in wei."""
    await Q.run(
        conn, "set_budget", chain_id=chain_id, max_fee_per_gas=Decimal(max_fee_per_gas),
        max_per_day=Decimal(max_per_day),
    )  # fmt: skip


async def affordable(conn: Connection, chain_id: ChainId, gas: int = GAS) -> bool:
    """Whether the day's gas has room for one more."""
    left = await Q.scalar(conn, "left_today", chain_id=chain_id, lane=LANE, day=DAY, gas=gas)
    return left is not None and left >= 0


async def has_room(conn: Connection, chain_id: ChainId, wallet: Address) -> bool:
    """Whether another nonce of the wallet may be given away."""
    return bool(await Q.scalar(conn, "has_room", chain_id=chain_id, wallet=wallet, most=IN_FLIGHT))


async def on_their_way(conn: Connection, id: str) -> int:
    """Base units that its payer's other authorizations may take, as nonces carry them."""
    return int(await Q.scalar(conn, "on_their_way", id=id))


async def listed(conn: Connection, address: Address) -> bool:
    """Whether it stands on a screening list now."""
    return bool(await Q.scalar(conn, "listed", address=address))


async def every(conn: Connection, limit: int) -> Sequence[Row]:
    """The newest ones of all accounts, as rows."""
    return await Q.all(conn, "every", limit=limit)


def _row(row: Row) -> AuthorizationRow:
    signed = Authorization(
        Address(bytes(row["payer"])), Address(bytes(row["pay_to"])), int(row["amount"]),
        int(row["valid_after"]), int(row["valid_before"]), bytes(row["nonce"]),
    )  # fmt: skip
    same = {
        name: row[name]
        for name in (
            "id", "account_id", "livemode", "chain_id", "token_id", "identifier", "resource", "since_block",
            "currency", "decimals", "failure_code", "waits_for", "deposit_id", "created_at", "ended_at",
            "version",
        )
    }  # fmt: skip
    return AuthorizationRow(
        **same, signed=signed, signature=bytes(row["signature"]), contract=Address(bytes(row["contract"])),
        state=S(row["state"]), paid_by=_hash(row["paid_by"]), carried_by=_hash(row["carried_by"]),
    )  # fmt: skip


def _hash(raw: bytes | None) -> Hash | None:
    return None if raw is None else Hash(bytes(raw))
