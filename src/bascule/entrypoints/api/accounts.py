"""/v1/accounts: who asks, and which version of the API they are pinned to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from bascule.domain.errors import NotFound
from bascule.domain.versions import API_VERSION
from bascule.entrypoints.api import lists, versions
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Expandable, Listed, Params, Text200
from bascule.entrypoints.api.shape import ListOf, Seconds, Shape
from bascule.storage import accounts
from bascule.storage.accounts import Account as Row
from bascule.storage.database import Connection
from bascule.storage.listing import ACCOUNTS


class AccountUpdate(Params):
    """What to change of the account."""

    api_version: Text200


class Account(Shape):
    """An account; api_version is what its requests of this mode mean when they name none."""

    id: str
    object: Literal["account"]
    type: Literal["operator", "merchant"]
    name: str
    api_version: str
    livemode: bool
    created: Seconds


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """The caller's account; the operator reads every one."""
    lists.expanding(call.params, frozenset())
    return _shown(call, await _visible(call, conn))


async def update(call: Call[AccountUpdate], conn: Connection) -> dict[str, Any]:
    """Pins the caller's own account to a version of the API, in the mode of its key."""
    account = await _visible(call, conn)
    if account.id != call.account_id:
        raise NotFound("resource_missing", "Another account pins its version itself.", param="id")
    versions.require(call.params.api_version, call.deps.versions, param="api_version")
    await accounts.pin(conn, account.id, call.params.api_version, livemode=call.livemode)
    return _shown(call, account) | {"api_version": call.params.api_version}


async def list_all(call: Call[Listed], conn: Connection) -> dict[str, Any]:
    """The caller's account; to the operator, every one."""
    lists.expanding(call.params, frozenset())
    everything = await _is_operator(call, conn)

    async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        found = [await accounts.get(conn, id) for id in ids]
        return [_shown(call, account) for account in found if account is not None]

    scope = [] if everything else [ACCOUNTS.c.id == call.account_id]
    return await lists.answer(call, conn, ACCOUNTS, describe, scope=scope)


async def _visible(call: Call[Any], conn: Connection) -> Row:
    account = await accounts.get(conn, call.id("acct"))
    if account is None or not (account.id == call.account_id or await _is_operator(call, conn)):
        raise NotFound("resource_missing", "There is no such account.", param="id")
    return account


async def _is_operator(call: Call[Any], conn: Connection) -> bool:
    operator = await accounts.operator(conn)
    return operator is not None and operator.id == call.account_id


def _shown(call: Call[Any], account: Row) -> dict[str, Any]:
    return {
        "id": account.id,
        "object": "account",
        "type": account.kind,
        "name": account.name,
        "api_version": account.live_version if call.livemode else account.test_version,
        "livemode": call.livemode,
        "created": int(account.created_at.timestamp()),
    }


_PATH = "/v1/accounts"
_READ, _WRITE = "accounts:read", "accounts:write"

OPERATIONS = (
    Operation("GET", _PATH, "list_accounts", "List accounts", _READ, list_all, Listed, ListOf[Account]),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_account", "Read an account", _READ, retrieve, Expandable, Account,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}", "update_account", "Pin the version of the API", _WRITE, update,
        AccountUpdate, Account, "optional", example={"api_version": API_VERSION},
    ),
)  # fmt: skip
