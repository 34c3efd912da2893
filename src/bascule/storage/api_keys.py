"""API keys: what is kept of them, which is never the key itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

import orjson

from bascule.storage.database import Connection
from bascule.storage.queries import Queries
from bascule.storage.statements import Answer

_Q = Queries("api_keys")
USE_NOTED_EVERY = timedelta(minutes=1)
Networks = Sequence[IPv4Network | IPv6Network]


class KeyChanged(Exception):
    """A key is not what was read of it, or has ended."""


class ApiKey(NamedTuple):
    """One key as stored. lookup: its first characters, not secret; hmac: of the whole key, with a pepper.

    holder: the person who holds it; what is asked for with it, they may not approve. allowed_ips: where it
    may be used from, anywhere when empty. api_version: what its account is pinned to, and word: what changes
    with any of this or that, where they were read.
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
    word: str = ""


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


async def is_unchanged(conn: Connection, key: ApiKey) -> bool:
    """Whether the key that `by_lookup` read is still as it was, and not revoked."""
    return bool(await _Q.scalar(conn, "word", lookup=key.lookup) == key.word)


def while_unchanged(
    conn: Connection, key: ApiKey, then: Callable[[], None]
) -> AbstractAsyncContextManager[None]:
    """As `is_unchanged`, asked along with the first statement of the block; KeyChanged in its answer's place.

    then: called before that answer is had.
    """

    def check(answer: Answer) -> None:
        if answer.tuples() != [(key.word,)]:
            raise KeyChanged
        then()

    return _Q.ahead(conn, "word", check, lookup=key.lookup)


def words_ahead(
    conn: Connection, keys: Iterable[ApiKey], heard: Callable[[Mapping[str, str]], None]
) -> AbstractAsyncContextManager[None]:
    """The words of those that have not ended, by lookup, asked along with the first statement of the block.

    heard: is told them before that statement's answer is had, or at the end of a block that has none.
    """

    def check(answer: Answer) -> None:
        heard(dict(answer.tuples()))

    lookups = orjson.dumps(list({key.lookup for key in keys})).decode()
    return _Q.ahead(conn, "words", check, lookups=lookups)


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
    if not is_noted(key, at):
        await _Q.run(conn, "used", id=key.id, at=at)


def is_noted(key: ApiKey, at: datetime) -> bool:
    """Whether a use at that moment is said already, by what is kept."""
    return key.last_used_at is not None and at - key.last_used_at <= USE_NOTED_EVERY


async def revoke_of_member(conn: Connection, member_id: str, at: datetime) -> int:
    """Ends every key of a member; how many."""
    return await _Q.run(conn, "revoke_of_member", member_id=member_id, at=at)


async def revoke(conn: Connection, account_id: str, id: str, at: datetime) -> bool:
    """Ends a key; False when it had ended or is not this account's."""
    return await _Q.run(conn, "revoke", id=id, account_id=account_id, at=at) == 1


async def expire(conn: Connection, account_id: str, id: str, at: datetime) -> bool:
    """Lets a key end at `at`, or earlier if it would; False when it is not this account's."""
    return await _Q.run(conn, "expire", id=id, account_id=account_id, at=at) == 1
