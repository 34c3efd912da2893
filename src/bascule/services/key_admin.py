"""API keys as an account handles them itself: made, rotated with an overlap, revoked; all of it told.

Nobody makes or ends a key that may do more than their own, nor makes one that hides who holds it: a key's
holder is the holder of every key made with it.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from bascule.domain import member as members_rules
from bascule.domain.chain import Address
from bascule.domain.errors import Conflict, Forbidden, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType
from bascule.services import api_keys
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import api_keys as stored
from bascule.storage import members
from bascule.storage.api_keys import ApiKey, Networks
from bascule.storage.database import Connection

OVERLAP_S = 24 * 3600
OVERLAP_MAX_S = 30 * 24 * 3600
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where, how long and as whose a key works; what is made with it works no further."""

    allowed_ips: Networks = ()
    expires_at: datetime | None = None
    member_id: str | None = None


NO_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Giver:
    """Who asks for a key: the scopes, the holder and the bounds of the key they ask with."""

    account_id: str
    livemode: bool
    scopes: frozenset[str]
    holder: Address | None
    bounds: Bounds = NO_BOUNDS


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """The key that is wanted. scopes: `*` alone for a secret key; allowed_ips: anywhere when empty."""

    kind: api_keys.Kind
    scopes: Sequence[str]
    name: str = ""
    allowed_ips: Networks = ()
    member: str | None = None
    expires_at: datetime | None = None


def describe(key: ApiKey, now: datetime) -> dict[str, Any]:
    """The key as the API shows it: its beginning, never the rest."""
    return {
        "id": key.id,
        "object": "api_key",
        "type": {"sk": "secret", "rk": "restricted", "pk": "publishable"}[key.kind],
        "key_prefix": key.lookup,
        "name": key.name,
        "scopes": list(members_rules.PUBLISHABLE if key.kind == "pk" else key.scopes),
        "allowed_ips": [str(network) for network in key.allowed_ips],
        "member": key.member_id,
        "status": _status(key, now),
        "expires_at": _seconds(key.expires_at),
        "revoked_at": _seconds(key.revoked_at),
        "last_used_at": _seconds(key.last_used_at),
        "livemode": key.livemode,
        "created": int(key.created_at.timestamp()),
    }


def material(pepper: bytes, salt: str) -> bytes:
    """The random part of a key made by the API. salt: random, kept with the stored answer alone.

    So a replay shows the same key, and once the answer is gone, or without the pepper, nothing does.
    """
    return hmac.digest(pepper, b"a key's letters:" + salt.encode(), "sha256")[: api_keys.SECRET_BYTES]


@dataclass(frozen=True)
class KeyAdmin:
    """Use-cases on one account's keys; each runs in the caller's transaction."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox
    pepper: bytes

    async def create(self, conn: Connection, giver: Giver, request: KeyRequest) -> dict[str, Any]:
        """A new key, with the salt that its letters are made from. Raises: Rejected, Forbidden."""
        holder = giver.holder
        request = replace(_within(giver.bounds, request), member=_member(giver, request.member))
        if request.member is not None:
            holder = await self._of_member(conn, giver, request) or holder
            holder = giver.holder or holder
        _require_giver(giver, request.scopes)
        now = self.clock.now()
        if request.expires_at is not None and request.expires_at <= now:
            raise Rejected("parameter_invalid", "A key ends in the future.", param="expires_at")
        key = ApiKey(
            id=new_id(Prefix.API_KEY, self.clock, self.entropy),
            account_id=giver.account_id,
            kind=request.kind,
            livemode=giver.livemode,
            lookup="",
            scopes=[] if request.kind == "pk" else list(request.scopes),
            name=request.name,
            created_at=now,
            expires_at=request.expires_at,
            holder=holder,
            allowed_ips=request.allowed_ips,
            member_id=request.member,
        )
        return await self._keep(conn, key, EventType.API_KEY_CREATED)

    async def rotate(self, conn: Connection, giver: Giver, id: str, *, overlap_s: int) -> dict[str, Any]:
        """A new key like the old one, which works for `overlap_s` beside it. Raises: NotFound, Conflict."""
        await self._hold_member(conn, id)
        old = await self._own(conn, giver, id)
        now = self.clock.now()
        if _status(old, now) != "active":
            raise Conflict("api_key_ended", "The key has ended; make a new one.")
        _require_giver(giver, old.scopes)
        _require_within(giver.bounds, old.allowed_ips, old.expires_at)
        _member(giver, old.member_id)
        await stored.expire(conn, giver.account_id, id, now + timedelta(seconds=overlap_s))
        fresh = old._replace(
            id=new_id(Prefix.API_KEY, self.clock, self.entropy),
            created_at=now,
            last_used_at=None,
            holder=giver.holder or old.holder,
        )
        shown = await self._keep(conn, fresh, EventType.API_KEY_ROTATED)
        return shown | {"rotated_from": id}

    async def revoke(self, conn: Connection, giver: Giver, id: str) -> dict[str, Any]:
        """Ends a key at once; a key may end itself. Raises: NotFound; Forbidden, where it may do more.

        How long either works says nothing: who is let in for an hour may be let in to end keys.
        """
        key = await self._own(conn, giver, id)
        _require_as_much(giver, key)
        now = self.clock.now()
        if await stored.revoke(conn, giver.account_id, id, now):
            key = key._replace(revoked_at=now)
            await self._tell(conn, key, EventType.API_KEY_REVOKED)
        return describe(key, now)

    async def _of_member(self, conn: Connection, giver: Giver, request: KeyRequest) -> Address | None:
        member = await members.lock(conn, str(request.member))
        if member is None or (member.account_id, member.livemode) != (giver.account_id, giver.livemode):
            raise NotFound("resource_missing", "There is no such member.", param="member")
        if member.removed_at is not None:
            raise Conflict("member_removed", "The member was removed.", param="member")
        lacking = members_rules.lacking(members_rules.scopes_of(member.roles), request.scopes)
        if lacking:
            raise Rejected(
                "role_insufficient", f"The member's roles do not allow {', '.join(lacking)}.", param="scopes"
            )
        return None if member.approver is None else Address(bytes(member.approver))

    async def _hold_member(self, conn: Connection, id: str) -> None:
        """Held before their key, as their removal does: a key made meanwhile would outlive it."""
        for key in await stored.get_many(conn, [id]):
            if key.member_id is not None:
                await members.lock(conn, key.member_id)

    async def _own(self, conn: Connection, giver: Giver, id: str) -> ApiKey:
        key = await stored.lock(conn, id)
        if key is None or (key.account_id, key.livemode) != (giver.account_id, giver.livemode):
            raise NotFound("resource_missing", f"No such API key: {id!r:.70}.", param="id")
        return key

    async def _keep(self, conn: Connection, key: ApiKey, type: EventType) -> dict[str, Any]:
        salt = b64encode(self.entropy.bytes(SALT_BYTES)).decode()
        secret = api_keys.spell(key.kind, key.livemode, material(self.pepper, salt))
        key = key._replace(lookup=api_keys.lookup_of(secret), hmac=api_keys.fingerprint(secret, self.pepper))
        await stored.insert(conn, key)
        await self._tell(conn, key, type)
        return describe(key, self.clock.now()) | {"secret": salt, "rotated_from": None}

    async def _tell(self, conn: Connection, key: ApiKey, type: EventType) -> None:
        await self.outbox.append(
            conn,
            account_id=key.account_id,
            livemode=key.livemode,
            type=type,
            object_id=key.id,
            object_version=1 if key.revoked_at is None else 2,
            object=describe(key, self.clock.now()),
        )


def _within(bounds: Bounds, request: KeyRequest) -> KeyRequest:
    """The request with the giver's bounds where it names none. Raises: Forbidden."""
    allowed = request.allowed_ips or bounds.allowed_ips
    until = request.expires_at or bounds.expires_at
    _require_within(bounds, allowed, until)
    return replace(request, allowed_ips=allowed, expires_at=until)


def _require_within(bounds: Bounds, allowed: Networks, until: datetime | None) -> None:
    wider = _wider(allowed, bounds)
    longer = bounds.expires_at is not None and (until is None or until > bounds.expires_at)
    if wider or longer:
        raise Forbidden(
            "scope_missing",
            f"The key may not be used {'where' if wider else 'as long as'} the one it would give away.",
            next_step="Ask with a key that is bounded no closer itself.",
        )


def _wider(allowed: Networks, bounds: Bounds) -> bool:
    """Whether what may be used from these places may be where the bounds do not let one."""
    within = allowed and all(_inside(each, bounds.allowed_ips) for each in allowed)
    return bool(bounds.allowed_ips) and not within


def _inside(network: IPv4Network | IPv6Network, around: Networks) -> bool:
    return any(network[0] in each and network[-1] in each for each in around)


def _member(giver: Giver, member: str | None) -> str | None:
    """Whose a key is: the giver's own member's when none is named, so that it ends with them too.

    Raises: Forbidden, when it is another's and the giver may not change members.
    """
    own = giver.bounds.member_id
    if member is None or member == own:
        return own
    if own is not None and not members_rules.allows(giver.scopes, "members:write"):
        raise Forbidden(
            "scope_missing",
            "A member's key makes keys of that member alone.",
            next_step="Leave member out, or ask with a key that has the scope members:write.",
        )
    return member


def _require_giver(giver: Giver, scopes: Sequence[str]) -> None:
    if lacking := members_rules.lacking(giver.scopes, scopes):
        raise Forbidden(
            "scope_missing",
            f"The key lacks what it would give away: {', '.join(lacking)}.",
            next_step="Ask with a key that has these scopes itself.",
        )


def _require_as_much(giver: Giver, key: ApiKey) -> None:
    """Nobody stops who may do more: else the least key of an account could lock its owners out."""
    if _wider(key.allowed_ips, giver.bounds):
        raise Forbidden(
            "scope_missing",
            "The key may be used where the one that would end it may not.",
            next_step="Ask with a key that is bounded no closer itself.",
        )
    if lacking := members_rules.lacking(giver.scopes, key.scopes):
        raise Forbidden(
            "scope_missing",
            f"The key may do what the one that would end it may not: {', '.join(lacking)}.",
            next_step="Ask with a key that has these scopes itself.",
        )


def _status(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
