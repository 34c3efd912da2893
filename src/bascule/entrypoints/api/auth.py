"""Who asks: an API key in `Authorization`, as Bearer or as the user of Basic."""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from starlette.requests import Request

from bascule.domain.chain import Address
from bascule.domain.errors import Forbidden
from bascule.domain.member import PUBLISHABLE, allows
from bascule.domain.webhook import API_VERSION
from bascule.entrypoints.api.problems import Unauthenticated
from bascule.services import api_keys
from bascule.services.key_admin import NO_BOUNDS, Bounds, Giver
from bascule.storage import api_keys as stored
from bascule.storage.api_keys import Networks
from bascule.storage.database import Connection

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


async def authenticate(conn: Connection, request: Request, pepper: bytes, now: datetime) -> Caller:
    """The caller. Raises: Unauthenticated."""
    secret = _given_key(request.headers.get("authorization"))
    key = await api_keys.recognise(conn, secret, pepper)
    if key is None:
        raise Unauthenticated("api_key_invalid", "The API key is not one of ours.", next_step=_HOW)
    if key.revoked_at is not None:
        raise Unauthenticated("api_key_revoked", "The API key was revoked.", next_step="Make a new key.")
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated("api_key_expired", "The API key has expired.", next_step="Make a new key.")
    _require_place(request, key.allowed_ips)
    holder = None if key.holder is None else Address(bytes(key.holder))
    scopes = frozenset(PUBLISHABLE if key.kind == "pk" else key.scopes)
    bounds = Bounds(key.allowed_ips, key.expires_at, key.member_id)
    caller = Caller(key.account_id, key.livemode, key.id, scopes, holder, key.api_version, bounds)
    for header in ("bascule-account", "stripe-account"):
        if request.headers.get(header, caller.account_id) != caller.account_id:
            raise Forbidden("account_forbidden", "The key does not act for this account.")
    await stored.note_use(conn, key, now)
    return caller


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
