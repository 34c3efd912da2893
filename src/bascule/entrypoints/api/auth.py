"""Who asks: an API key in `Authorization`, as Bearer or as the user of Basic.

A process remembers the keys it has seen good, as they were. It believes that never: each request asks
whether a key is still the same, which is less to read, and may be asked along with something else.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import NamedTuple

from starlette.requests import Request

from bascule.domain.chain import Address
from bascule.domain.errors import Forbidden, Rejected
from bascule.domain.member import PUBLISHABLE, allows
from bascule.domain.versions import API_VERSION
from bascule.entrypoints.api.problems import Unauthenticated
from bascule.services import api_keys
from bascule.services.key_admin import NO_BOUNDS, Bounds, Giver
from bascule.storage import api_keys as stored
from bascule.storage.api_keys import ApiKey, Networks
from bascule.storage.database import Connection

KEYS_MAX = 10_000
_HOW = "Send the header Authorization: Bearer sk_test_…"


@dataclass(frozen=True, slots=True)
class Caller:
    """An account, in test or live mode, acting by one key. holder: the person whose key it is, if one.

    pinned: the version of the API that the account's requests are meant in when they name none.
    """

    account_id: str
    livemode: bool
    key_id: str
    scopes: frozenset[str]
    holder: Address | None = None
    pinned: str = API_VERSION
    bounds: Bounds = NO_BOUNDS

    @property
    def giver(self) -> Giver:
        """The caller as one who gives keys and roles away."""
        return Giver(self.account_id, self.livemode, self.scopes, self.holder, self.bounds)

    def require(self, scope: str) -> None:
        """Raises: Forbidden `scope_missing`, naming the scope. Writing includes reading."""
        if not allows(self.scopes, scope):
            raise Forbidden(
                "scope_missing",
                f"The key lacks the scope {scope}.",
                next_step=f"Use a key that has the scope {scope}.",
            )


class Known(NamedTuple):
    """A key that was good when it was read, and who asks with it."""

    key: ApiKey
    caller: Caller


@dataclass(frozen=True)
class Keys:
    """Recognises keys. pepper: of their HMACs."""

    pepper: bytes
    _known: dict[str, Known] = field(default_factory=dict)  # by the part of a key that is no secret

    async def authenticate(self, conn: Connection, request: Request, now: datetime) -> Caller:
        """The caller. Raises: Unauthenticated, Forbidden."""
        known = self.remembered(request, now)
        if known is not None and await stored.is_unchanged(conn, known.key):
            return known.caller
        return await self.read(conn, request, now)

    def remembered(self, request: Request, now: datetime) -> Known | None:
        """The key as it was, if it was good for such a request; to be asked for again.

        Raises: Unauthenticated, when the request has none.
        """
        secret = _given_key(request.headers.get("authorization"))
        known = self._known.get(api_keys.lookup_of(secret))
        if known is None or not api_keys.is_of(known.key, secret, self.pepper):
            return None
        try:
            _require_good(known.key, request, now)
        except Rejected:
            return None
        return known if stored.is_noted(known.key, now) else None

    async def read(self, conn: Connection, request: Request, now: datetime) -> Caller:
        """The caller, by the key's own row. Raises: Unauthenticated, Forbidden."""
        secret = _given_key(request.headers.get("authorization"))
        key = await api_keys.recognise(conn, secret, self.pepper)
        if key is None:
            raise Unauthenticated("api_key_invalid", "The API key is not one of ours.", next_step=_HOW)
        self._known.pop(key.lookup, None)  # or one that has ended went on taking from its account
        _require_good(key, request, now)
        await stored.note_use(conn, key, now)
        caller = _caller(key)
        self._known[key.lookup] = Known(key, caller)
        if len(self._known) > KEYS_MAX:
            del self._known[next(iter(self._known))]
        return caller


def _caller(key: ApiKey) -> Caller:
    holder = None if key.holder is None else Address(bytes(key.holder))
    scopes = frozenset(PUBLISHABLE if key.kind == "pk" else key.scopes)
    bounds = Bounds(key.allowed_ips, key.expires_at, key.member_id)
    return Caller(key.account_id, key.livemode, key.id, scopes, holder, key.api_version, bounds)


def _require_good(key: ApiKey, request: Request, now: datetime) -> None:
    """Raises: Unauthenticated; Forbidden, where it is not to be used from there, or for that account."""
    if key.revoked_at is not None:
        raise Unauthenticated("api_key_revoked", "The API key was revoked.", next_step="Make a new key.")
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated("api_key_expired", "The API key has expired.", next_step="Make a new key.")
    _require_place(request, key.allowed_ips)
    for header in ("bascule-account", "stripe-account"):
        if request.headers.get(header, key.account_id) != key.account_id:
            raise Forbidden("account_forbidden", "The key does not act for this account.")


def _require_place(request: Request, allowed: Networks) -> None:
    """The address of the connection decides: a header can say anything."""
    if not allowed:
        return
    here = None if request.client is None else request.client.host
    try:
        place = ip_address(here or "")
    except ValueError:  # a socket file, or nothing
        place = None
    mapped = getattr(place, "ipv4_mapped", None)
    if place is None or not any(
        p in network for network in allowed for p in (place, mapped) if p is not None
    ):
        raise Forbidden(
            "ip_not_allowed",
            f"The key may not be used from {here or 'here'}.",
            next_step="Ask from an allowed address, or make a key that allows this one.",
        )


def _given_key(header: str | None) -> str:
    scheme, _, rest = (header or "").partition(" ")
    given = rest.strip()
    if scheme.lower() == "bearer" and given:
        return given
    if scheme.lower() == "basic" and given:
        try:
            return b64decode(given, validate=True).decode("ascii").partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            raise Unauthenticated("api_key_invalid", "The Basic credentials cannot be read.") from None
    raise Unauthenticated("api_key_missing", "The request carries no API key.", next_step=_HOW)
