"""API keys: what is kept of them, which is never the key itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("api_keys")
USE_NOTED_EVERY = timedelta(minutes=1)
Networks = Sequence[IPv4Network | IPv6Network]


class ApiKey(NamedTuple):
    """One key as stored. lookup: its first characters, not secret; hmac: of the whole key, with a pepper.

    holder: the person who holds it; what is asked for with it, they may not approve. allowed_ips: where it
    may be used from, anywhere when empty. api_version: what its account is pinned to, where that was read.
    """

    id: str
    account_id: str
    kind: str
    livemode: bool
    lookup: str
    scopes: Sequence[str]
    name: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    hmac: bytes = b""
    holder: bytes | None = None
    allowed_ips: Networks = ()
    member_id: str | None = None
    last_used_at: datetime | None = None
    api_version: str = ""


async def insert(conn: Connection, key: ApiKey) -> None:
    """Keeps a new key."""
    await _Q.run(
        conn,
        "insert",
        id=key.id,
        account_id=key.account_id,
        kind=key.kind,
        livemode=key.livemode,
        lookup=key.lookup,
        hmac=key.hmac,
        scopes=list(key.scopes),
        name=key.name,
        created_at=key.created_at,
        expires_at=key.expires_at,
        holder=key.holder,
        allowed_ips=list(key.allowed_ips),
        member_id=key.member_id,
    )


async def by_lookup(conn: Connection, lookup: str) -> ApiKey | None:
    """The key that begins like this, whether or not it is still good."""
    row = await _Q.maybe(conn, "by_lookup", lookup=lookup)
    return None if row is None else ApiKey(**row)


async def of_account(conn: Connection, account_id: str) -> list[ApiKey]:
    """All keys of an account, newest first, without their HMACs."""
    return [ApiKey(**row) for row in await _Q.all(conn, "of_account", account_id=account_id)]


async def get_many(conn: Connection, ids: Sequence[str]) -> list[ApiKey]:
    """These keys, newest first, without their HMACs."""
    return [ApiKey(**row) for row in await _Q.all(conn, "of_ids", ids=list(ids))]


async def lock(conn: Connection, id: str) -> ApiKey | None:
    """The key, held until the transaction ends."""
    row = await _Q.maybe(conn, "lock", id=id)
    return None if row is None else ApiKey(**row)


async def note_use(conn: Connection, key: ApiKey, at: datetime) -> None:
    """Keeps when a key was used last, to the minute: a request a minute writes, the others read."""
    if key.last_used_at is None or at - key.last_used_at > USE_NOTED_EVERY:
        await _Q.run(conn, "used", id=key.id, at=at)


async def revoke_of_member(conn: Connection, member_id: str, at: datetime) -> int:
    """Ends every key of a member; how many."""
    return await _Q.run(conn, "revoke_of_member", member_id=member_id, at=at)


async def revoke(conn: Connection, account_id: str, id: str, at: datetime) -> bool:
    """Ends a key; False when it had ended or is not this account's."""
    return await _Q.run(conn, "revoke", id=id, account_id=account_id, at=at) == 1


async def expire(conn: Connection, account_id: str, id: str, at: datetime) -> bool:
    """Lets a key end at `at`, or earlier if it would; False when it is not this account's."""
    return await _Q.run(conn, "expire", id=id, account_id=account_id, at=at) == 1
