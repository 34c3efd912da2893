"""Rows of the signer's memory: what each nonce and payout was signed for, the bytes, the refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Halted
from bascule.domain.fees import Fees
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("signer_ledger")


@dataclass(frozen=True, slots=True)
class SlotKey:
    """One nonce of one wallet."""

    chain_id: int
    wallet: Address
    nonce: int

    @property
    def parameters(self) -> dict[str, object]:
        """The key as query parameters."""
        return {"chain_id": self.chain_id, "wallet": self.wallet, "nonce": self.nonce}


class Item(msgspec.Struct, frozen=True):
    """A payout as it may be signed, for ever.

    digest: of its whole content; amount: base units; batch_id: the batch it was approved in, if in one;
    mandate_id: the mandate it goes out under, if under one.
    """

    payout_id: str
    account_id: str
    chain_id: int
    vault: Address
    vault_id: int
    token: Address
    amount: int
    digest: Hash
    batch_id: str | None = None
    mandate_id: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """An item as it was signed before. signed_at, mandate_id: at the last time, as a day counts it."""

    payout_id: str
    digest: Hash
    signed_at: datetime
    mandate_id: str | None


@dataclass(frozen=True, slots=True)
class Signature:
    """Bytes that may leave."""

    tx_hash: Hash
    raw: bytes
    fees: Fees


async def serialize_spending(conn: Connection, chain_id: int, vault: Address, token: Address) -> None:
    """Every other count of this token's spending waits until the transaction ends."""
    await Q.run(conn, "serialize_spending", chain_id=chain_id, vault=vault, token=token)


async def slot(conn: Connection, key: SlotKey) -> Hash | None:
    """The content the nonce was given for ever, if it was."""
    row = await Q.maybe(conn, "slot", **key.parameters)
    return None if row is None else Hash(row["content"])


async def insert_slot(conn: Connection, key: SlotKey, *, kind: str, content: Hash) -> None:
    """The nonce is this content, for ever."""
    await Q.run(conn, "insert_slot", **key.parameters, kind=kind, content=content)


async def known_items(conn: Connection, items: Sequence[Item]) -> dict[str | int, Known]:
    """What is known under the payout ids and vault ids of `items`, by either."""
    rows = await Q.all(
        conn,
        "known_items",
        payout_ids=arrays.texts(item.payout_id for item in items),
        chain_id=items[0].chain_id,
        vault=items[0].vault,
        vault_ids=arrays.numbers(item.vault_id for item in items),
    )
    found: dict[str | int, Known] = {}
    for row in rows:
        known = Known(row["payout_id"], Hash(row["digest"]), row["signed_at"], row["mandate_id"])
        found[known.payout_id] = found[int(row["vault_id"])] = known
    return found


async def insert_items(conn: Connection, items: Sequence[Item], signed_at: datetime) -> frozenset[str]:
    """The payouts, all of one chain, vault and token, are these items, for ever; returns those that are new.

    The others, or their vault ids, are some item already.
    """
    first = items[0]
    rows = await Q.all(
        conn,
        "insert_items",
        payout_ids=arrays.texts(item.payout_id for item in items),
        account_ids=arrays.texts(item.account_id for item in items),
        vault_ids=arrays.numbers(item.vault_id for item in items),
        amounts=arrays.numbers(item.amount for item in items),
        digests=arrays.bytes_(item.digest for item in items),
        batch_ids=arrays.texts(item.batch_id for item in items),
        mandate_ids=arrays.texts(item.mandate_id for item in items),
        chain_id=first.chain_id,
        vault=first.vault,
        token=first.token,
        signed_at=signed_at,
    )
    return frozenset(row["payout_id"] for row in rows)


async def count_again(conn: Connection, items: Sequence[Item], signed_at: datetime) -> None:
    """Those of the items that were signed before count from now on in the 24 hours after `signed_at`.

    An item whose content is another one than before stays as it is. The caller holds the count.
    """
    await Q.run(
        conn,
        "count_again",
        payout_ids=arrays.texts(item.payout_id for item in items),
        digests=arrays.bytes_(item.digest for item in items),
        mandate_ids=arrays.texts(item.mandate_id for item in items),
        signed_at=signed_at,
    )


async def spent_in_batches(
    conn: Connection, chain_id: int, vault: Address, token: Address, batch_ids: Sequence[str]
) -> dict[str, int]:
    """Base units of the token signed for in each batch; those of which nothing was signed are missing."""
    rows = await Q.all(
        conn, "spent_in_batches", chain_id=chain_id, vault=vault, token=token, batch_ids=list(batch_ids)
    )
    return {row["batch_id"]: int(row["amount"]) for row in rows}


async def spent_under(
    conn: Connection,
    chain_id: int,
    vault: Address,
    token: Address,
    mandate_ids: Sequence[str],
    since: datetime,
) -> dict[str, int]:
    """Base units of the token last signed for under each mandate after `since`; those without are missing."""
    rows = await Q.all(
        conn,
        "spent_under",
        chain_id=chain_id,
        vault=vault,
        token=token,
        mandate_ids=list(mandate_ids),
        since=since,
    )
    return {row["mandate_id"]: int(row["amount"]) for row in rows}


async def spent_since(
    conn: Connection, chain_id: int, vault: Address, token: Address, since: datetime
) -> int:  # fmt: skip
    """Base units of the token last signed for after `since`."""
    found = await Q.scalar(conn, "spent_since", chain_id=chain_id, vault=vault, token=token, since=since)
    return int(found)


async def require_counted(conn: Connection, since: datetime) -> None:
    """Halted unless what `spent_since` adds up are sums of the items, in every minute after `since`."""
    minutes = int(await Q.scalar(conn, "miscounted", since=since))
    if minutes:
        raise Halted(f"{minutes} minutes of signer.spendings are not the sums of signer.items")


async def signatures(conn: Connection, key: SlotKey) -> list[Signature]:
    """Every signature of the nonce, dearest first."""
    return [
        Signature(
            Hash(row["tx_hash"]),
            bytes(row["raw"]),
            Fees(int(row["max_fee_per_gas"]), int(row["max_priority_fee_per_gas"]), row["gas"]),
        )
        for row in await Q.all(conn, "signatures", **key.parameters)
    ]


async def keep_signature(conn: Connection, key: SlotKey, signature: Signature) -> Signature:
    """The bytes that may leave once this is committed: these, or those the nonce has at the same fees."""
    inserted = await Q.run(
        conn,
        "insert_signature",
        **key.parameters,
        tx_hash=signature.tx_hash,
        raw=signature.raw,
        max_fee_per_gas=signature.fees.max_fee_per_gas,
        max_priority_fee_per_gas=signature.fees.max_priority_fee_per_gas,
        gas=signature.fees.gas,
    )
    if inserted:
        return signature
    [kept] = [known for known in await signatures(conn, key) if known.fees == signature.fees]
    return kept


async def insert_refusal(
    conn: Connection, *, at: datetime, code: str, request: Mapping[str, object]
) -> None:  # fmt: skip
    """Keeps a question that was refused, as it was asked; the same again, soon after, is not kept twice."""
    await Q.run(conn, "insert_refusal", at=at, code=code, request=Jsonb(dict(request)))
