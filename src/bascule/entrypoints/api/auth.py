"""Who asks: an API key in `Authorization`, as Bearer or as the user of Basic."""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from bascule.domain.chain import Address
from bascule.domain.errors import Forbidden
from bascule.entrypoints.api.problems import Unauthenticated
from bascule.services import api_keys
from bascule.storage.database import Connection

_HOW = "Send the header Authorization: Bearer sk_test_…"


@dataclass(frozen=True, slots=True)
class Caller:
    """An account, in test or live mode, acting by one key. holder: the person whose key it is, if one."""

    account_id: str
    livemode: bool
    key_id: str
    scopes: frozenset[str]
    holder: Address | None = None

    def require(self, scope: str) -> None:
        """Raises: Forbidden `scope_missing`, naming the scope. Writing includes reading."""
        resource, _, action = scope.partition(":")
        enough = {"*", scope, *({f"{resource}:write"} if action == "read" else set())}
        if not enough & self.scopes:
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
    holder = None if key.holder is None else Address(bytes(key.holder))
    caller = Caller(key.account_id, key.livemode, key.id, frozenset(key.scopes), holder)
    for header in ("bascule-account", "stripe-account"):
        if request.headers.get(header, caller.account_id) != caller.account_id:
            raise Forbidden("account_forbidden", "The key does not act for this account.")
    return caller


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
