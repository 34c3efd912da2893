"""API keys: made once, shown once, recognised by an HMAC ever after.

A key is `<kind>_<mode>_` and 48 characters made of 30 random bytes. Its first 8 random characters find the
row and are not secret; the rest, 200 bits, is stored nowhere.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bascule.domain.chain import Address
from bascule.domain.ids import Prefix
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import api_keys
from bascule.storage.api_keys import ApiKey
from bascule.storage.database import Connection

Kind = Literal["sk", "rk", "pk"]
SECRET_BYTES = 30  # 48 characters of base 32
LOOKUP_LETTERS = 8
PEPPER_MIN = 32


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key. secret: the whole key, shown now and never again."""

    id: str
    secret: str


async def issue(
    conn: Connection,
    *,
    account_id: str,
    livemode: bool,
    kind: Kind,
    pepper: bytes,
    clock: Clock,
    entropy: Entropy,
    scopes: Sequence[str] = ("*",),
    name: str = "",
    expires_at: datetime | None = None,
    holder: Address | None = None,
) -> IssuedKey:
    """A new key of an account. scopes: `*` or `<resource>:read|write`; a publishable key has none.

    holder: the person who alone holds it, by the address they approve with.
    """
    assert len(pepper) >= PEPPER_MIN, f"a pepper of at least {PEPPER_MIN} bytes"
    secret = spell(kind, livemode, entropy.bytes(SECRET_BYTES))
    key = ApiKey(
        id=new_id(Prefix.API_KEY, clock, entropy),
        account_id=account_id,
        kind=kind,
        livemode=livemode,
        lookup=lookup_of(secret),
        hmac=fingerprint(secret, pepper),
        scopes=[] if kind == "pk" else list(scopes),
        name=name,
        created_at=clock.now(),
        expires_at=expires_at,
        holder=holder,
    )
    await api_keys.insert(conn, key)
    return IssuedKey(key.id, secret)


def spell(kind: str, livemode: bool, material: bytes) -> str:
    """The key that 30 bytes make."""
    assert len(material) == SECRET_BYTES, f"{SECRET_BYTES} bytes"
    return f"{kind}_{'live' if livemode else 'test'}_{b32encode(material).decode().lower()}"


async def recognise(conn: Connection, secret: str, pepper: bytes) -> ApiKey | None:
    """The key as stored, if this is exactly one of ours; it may have expired or been revoked."""
    if not secret.isascii() or not 20 <= len(secret) <= 100:
        return None
    key = await api_keys.by_lookup(conn, lookup_of(secret))
    given = fingerprint(secret, pepper)
    known = key is not None and hmac.compare_digest(key.hmac, given)
    return key if known else None


def is_of(key: ApiKey, secret: str, pepper: bytes) -> bool:
    """Whether the stored key is this one, in the same time wherever they differ."""
    return hmac.compare_digest(key.hmac, fingerprint(secret, pepper))


def lookup_of(secret: str) -> str:
    """The part of a key that finds its row: kind, mode and eight letters."""
    return secret[: len("sk_test_") + LOOKUP_LETTERS]


def fingerprint(secret: str, pepper: bytes) -> bytes:
    """HMAC-SHA-256 of the whole key; a fast hash is right for 240 random bits."""
    return hmac.digest(pepper, secret.encode(), "sha256")
