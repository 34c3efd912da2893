"""/v1/api_keys: keys made, rotated and revoked by their own account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from bascule.domain.errors import NotFound, Rejected
from bascule.domain.member import EVERYTHING
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    Expandable,
    FormList,
    Id,
    Listed,
    Nothing,
    Params,
    Text200,
    UnixSeconds,
)
from bascule.entrypoints.api.shape import ListOf, Seconds, Shape
from bascule.services import api_keys, key_admin
from bascule.services.key_admin import OVERLAP_MAX_S, OVERLAP_S, KeyRequest
from bascule.storage import api_keys as stored
from bascule.storage.api_keys import Networks
from bascule.storage.database import Connection
from bascule.storage.listing import API_KEYS

KINDS: dict[str, api_keys.Kind] = {"secret": "sk", "restricted": "rk", "publishable": "pk"}
Type = Literal["secret", "restricted", "publishable"]


class ApiKeyCreate(Params):
    """A new key, of the mode of the key that asks."""

    type: Type = "restricted"
    name: Text200 = ""
    scopes: Annotated[
        list[Text200],
        FormList,
        Field(max_length=100, description="Of a restricted key: RESOURCE:read or :write."),
    ] = []
    allowed_ips: Annotated[
        list[Text200],
        FormList,
        Field(max_length=50, description="Addresses or CIDR blocks; anywhere when empty."),
    ] = []
    member: Annotated[
        Id | None, Field(description="Whose key it is; it may do no more than their roles.")
    ] = None
    expires_at: UnixSeconds | None = None


class ApiKeyRotate(Params):
    """How long the old key works beside the new one, in seconds."""

    overlap: Annotated[int, Field(ge=0, le=OVERLAP_MAX_S)] = OVERLAP_S


class ApiKeyList(Listed):
    """Filters of keys."""

    type: Type | None = None
    member: Id | None = None


class ApiKey(Shape):
    """A key, by its beginning."""

    id: str
    object: Literal["api_key"]
    type: Type
    key_prefix: str
    name: str
    scopes: list[str]
    allowed_ips: list[str]
    member: str | None
    status: Literal["active", "expired", "revoked"]
    expires_at: Seconds | None
    revoked_at: Seconds | None
    last_used_at: Seconds | None = Field(description="To the minute.")
    livemode: bool
    created: Seconds


class ApiKeyWithSecret(ApiKey):
    """A new key. The secret is in this answer alone, and in its replays."""

    secret: str
    rotated_from: str | None


async def create(call: Call[ApiKeyCreate], conn: Connection) -> dict[str, Any]:
    """A new key; it may do no more than the key that asks for it."""
    params = call.params
    request = KeyRequest(
        kind=KINDS[params.type],
        scopes=_scopes(params),
        name=params.name,
        allowed_ips=_networks(params.allowed_ips),
        member=params.member,
        expires_at=None if params.expires_at is None else datetime.fromtimestamp(params.expires_at, UTC),
    )
    return await call.deps.key_admin.create(conn, call.caller.giver, request)


def with_secret(call: Call[Any], answer: bytes) -> bytes:
    """The answer with the key in the place of the salt that it is made from."""
    shown = orjson.loads(answer)
    letters = key_admin.material(call.deps.pepper, shown["secret"])
    return orjson.dumps(shown | {"secret": api_keys.spell(KINDS[shown["type"]], shown["livemode"], letters)})


async def rotate(call: Call[ApiKeyRotate], conn: Connection) -> dict[str, Any]:
    """A new key like this one, which ends after the overlap."""
    return await call.deps.key_admin.rotate(
        conn, call.caller.giver, call.id("key"), overlap_s=call.params.overlap
    )


async def revoke(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Ends a key at once."""
    return await call.deps.key_admin.revoke(conn, call.caller.giver, call.id("key"))


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One key, without its secret."""
    lists.expanding(call.params, frozenset())
    id = call.id("key")
    for key in await stored.get_many(conn, [id]):
        if (key.account_id, key.livemode) == (call.account_id, call.livemode):
            return key_admin.describe(key, call.deps.clock.now())
    raise NotFound("resource_missing", f"No such API key: {id!r:.70}.", param="id")


async def list_all(call: Call[ApiKeyList], conn: Connection) -> dict[str, Any]:
    """The account's keys of the caller's mode, without their secrets."""
    lists.expanding(call.params, frozenset())
    kind = None if call.params.type is None else KINDS[call.params.type]

    async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        now = call.deps.clock.now()
        return [key_admin.describe(key, now) for key in await stored.get_many(conn, ids)]

    filters = lists.exact(API_KEYS, kind=kind, member_id=call.params.member)
    return await lists.answer(call, conn, API_KEYS, describe, filters=filters)


def _scopes(params: ApiKeyCreate) -> Sequence[str]:
    from bascule.entrypoints.api.app import OPERATIONS  # which has these operations in it too

    if params.type != "restricted":
        if params.scopes:
            raise Rejected(
                "parameter_invalid", f"A {params.type} key has no scopes of its own.", param="scopes"
            )
        return [EVERYTHING] if params.type == "secret" else []
    if not params.scopes:
        raise Rejected("parameter_missing", "A restricted key needs its scopes.", param="scopes")
    known = {operation.scope for operation in OPERATIONS}
    known |= {scope.replace(":write", ":read") for scope in known}
    for place, scope in enumerate(params.scopes):
        if scope not in known:
            raise Rejected("parameter_invalid", f"There is no scope {scope!r:.70}.", param=f"scopes.{place}")
    return list(dict.fromkeys(params.scopes))


def _networks(given: Sequence[str]) -> Networks:
    found = []
    for place, text in enumerate(given):
        try:
            found.append(ip_network(text))
        except ValueError:
            raise Rejected(
                "parameter_invalid",
                f"Not an address or a CIDR block without host bits: {text!r:.70}.",
                param=f"allowed_ips.{place}",
            ) from None
    return found


_PATH = "/v1/api_keys"
_READ, _WRITE = "api_keys:read", "api_keys:write"
_EXAMPLE = {"type": "restricted", "name": "shop", "scopes": ["payment_intents:write"]}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_api_key", "Make a key", _WRITE, create, ApiKeyCreate, ApiKeyWithSecret,
        "optional", conflicts=True, example=_EXAMPLE, told_once=with_secret,
    ),
    Operation("GET", _PATH, "list_api_keys", "List keys", _READ, list_all, ApiKeyList, ListOf[ApiKey]),
    Operation("GET", f"{_PATH}/{{id}}", "get_api_key", "Read a key", _READ, retrieve, Expandable, ApiKey),
    Operation(
        "POST", f"{_PATH}/{{id}}/rotate", "rotate_api_key", "Make a key in the place of another", _WRITE,
        rotate, ApiKeyRotate, ApiKeyWithSecret, "optional", conflicts=True, example={"overlap": 86400},
        told_once=with_secret,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/revoke", "revoke_api_key", "End a key at once", _WRITE, revoke, Nothing,
        ApiKey, "optional",
    ),
)  # fmt: skip
