"""/v1/destinations: the address book."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from bascule.domain.chain import parse_address
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    AddressText,
    Expandable,
    Listed,
    Nothing,
    Params,
    PayoutApprove,
    Text200,
)
from bascule.entrypoints.api.shape import AddressOut, Caip2, ListOf, Seconds, Shape
from bascule.services import destinations
from bascule.storage.database import Connection
from bascule.storage.listing import DESTINATIONS


class DestinationCreate(Params):
    """A new entry of the address book."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    network: Text200
    address: AddressText


class DestinationList(Listed):
    """Filters of the address book."""

    address: AddressText = None
    network: Text200 | None = None


class Verified(Shape):
    """Who vouched for the address."""

    approver: AddressOut
    created: Seconds


class SignVerification(Shape):
    """What an approver who did not add the entry signs: EIP-712 typed data."""

    type: Literal["sign_verification"]
    typed_data: dict[str, Any]
    approvers: list[AddressOut]


class Destination(Shape):
    """An address by name."""

    id: str
    object: Literal["destination"]
    label: str
    network: Caip2
    address: AddressOut
    verified: Verified | None
    next_action: SignVerification | None
    archived: bool
    created_by: str
    livemode: bool
    created: Seconds
    version: int


async def create(call: Call[DestinationCreate], conn: Connection) -> dict[str, Any]:
    """A new entry, never edited later. The policy may ask for a cool-off, and for a verification."""
    return await call.deps.destinations.add(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        network=call.params.network,
        address=call.params.address,
        label=call.params.label,
        created_by=call.caller.key_id,
        maker=call.caller.holder,
        context=call.context,
    )


async def verify(call: Call[PayoutApprove], conn: Connection) -> dict[str, Any]:
    """An approver's signature over the entry's `next_action.typed_data` verifies it."""
    return await call.deps.destinations.verify(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        destination_id=call.id("wal"),
        approver=call.params.approver,
        signature=call.params.signature,
        actor=call.caller.key_id,
        context=call.context,
    )


async def archive(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Takes an entry out of the address book; payouts that name it are not touched."""
    return await call.deps.destinations.archive(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        destination_id=call.id("wal"),
        actor=call.caller.key_id,
        request_id=call.request_id,
    )


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One entry."""
    lists.expanding(call.params, frozenset())
    row = await destinations.own(conn, call.id("wal"), call.account_id, call.livemode)
    return await destinations.describe_row(conn, row)


async def list_all(call: Call[DestinationList], conn: Connection) -> dict[str, Any]:
    """The caller's address book, archived entries too."""
    params = call.params
    lists.expanding(params, frozenset())
    filters = lists.exact(
        DESTINATIONS,
        address=None if params.address is None else parse_address(params.address, param="address"),
        chain_id=await lists.chain_of(conn, params.network),
    )

    async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        rows = [await destinations.own(conn, id, call.account_id, call.livemode) for id in ids]
        return [await destinations.describe_row(conn, row) for row in rows]

    return await lists.answer(call, conn, DESTINATIONS, describe, filters=filters)


_PATH = "/v1/destinations"
_READ, _WRITE = "destinations:read", "destinations:write"
_CREATE = {
    "label": "Landlord",
    "network": "eip155:31337",
    "address": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
}
_VERIFY = {"approver": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "signature": "0x" + "1b" * 65}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_destination", "Add an address to the book", _WRITE, create,
        DestinationCreate, Destination, "optional", conflicts=True, example=_CREATE,
    ),
    Operation(
        "GET", _PATH, "list_destinations", "List the address book", _READ, list_all, DestinationList,
        ListOf[Destination],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_destination", "Read an entry", _READ, retrieve, Expandable,
        Destination,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/verify", "verify_destination", "Vouch for an address", "payouts:approve",
        verify, PayoutApprove, Destination, "required", example=_VERIFY,
    ),
    Operation(
        "DELETE", f"{_PATH}/{{id}}", "archive_destination", "Take an address out of the book", _WRITE,
        archive, Nothing, Destination,
    ),
)  # fmt: skip
