"""/v1/members and /v1/roles: the people of an account and what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bascule.domain.chain import parse_address
from bascule.domain.errors import NotFound
from bascule.domain.member import ROLES
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    AddressText,
    Expandable,
    FormList,
    Listed,
    Nothing,
    Paged,
    Params,
    Text200,
)
from bascule.entrypoints.api.shape import AddressOut, ListOf, Seconds, Shape
from bascule.services import member_admin
from bascule.storage import members
from bascule.storage.database import Connection
from bascule.storage.listing import MEMBERS

RoleNames = Annotated[list[Text200], FormList, Field(min_length=1, max_length=10)]


class MemberCreate(Params):
    """A new member."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
    name: Text200 = ""
    roles: RoleNames
    approver: AddressText = None


class MemberUpdate(Params):
    """What to change of a member."""

    name: Text200 | None = None
    roles: RoleNames | None = None


class MemberList(Listed):
    """Filters of members."""

    email: Text200 | None = None


class Member(Shape):
    """A person of the account, in one mode."""

    id: str
    object: Literal["member"]
    email: str
    name: str
    roles: list[str]
    approver: AddressOut | None = Field(description="What they approve with; not what they asked for.")
    removed_at: Seconds | None
    livemode: bool
    created: Seconds
    version: int


class DeletedMember(Shape):
    """A member who is one no more."""

    id: str
    object: Literal["member"]
    deleted: Literal[True]


class Role(Shape):
    """A role there is, and the scopes that the keys of its people may carry."""

    id: str
    object: Literal["role"]
    scopes: list[str]


async def create(call: Call[MemberCreate], conn: Connection) -> dict[str, Any]:
    """A new member; the roles may allow no more than the key that asks."""
    params = call.params
    approver = None if params.approver is None else parse_address(params.approver, param="approver")
    return await call.deps.member_admin.add(
        conn, call.caller.giver, email=params.email, name=params.name, roles=params.roles, approver=approver
    )


async def update(call: Call[MemberUpdate], conn: Connection) -> dict[str, Any]:
    """Another name or other roles; the member's keys end when a role is taken away."""
    return await call.deps.member_admin.change(
        conn, call.caller.giver, call.id("mem"), name=call.params.name, roles=call.params.roles
    )


async def remove(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Takes a member out of the account, and ends their keys."""
    return await call.deps.member_admin.remove(conn, call.caller.giver, call.id("mem"))


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One member."""
    lists.expanding(call.params, frozenset())
    id = call.id("mem")
    for member in await members.get_many(conn, [id]):
        if (member.account_id, member.livemode) == (call.account_id, call.livemode):
            return member_admin.describe(member)
    raise NotFound("resource_missing", f"No such member: {id!r:.70}.", param="id")


async def list_all(call: Call[MemberList], conn: Connection) -> dict[str, Any]:
    """The account's members of the caller's mode, without those who were removed."""
    lists.expanding(call.params, frozenset())
    filters = lists.exact(MEMBERS, email=call.params.email)
    filters.append(MEMBERS.c.removed_at.is_(None))
    return await lists.answer(call, conn, MEMBERS, _describe, filters=filters)


async def _describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    return [member_admin.describe(member) for member in await members.get_many(conn, ids)]


async def list_roles(call: Call[Paged], conn: Connection) -> dict[str, Any]:
    """The roles there are."""
    return lists.part(
        call, [{"id": name, "object": "role", "scopes": list(scopes)} for name, scopes in ROLES.items()]
    )


_PATH = "/v1/members"
_READ, _WRITE = "members:read", "members:write"
_EXAMPLE = {"email": "ada@shop.example", "name": "Ada", "roles": ["developer"]}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_member", "Add a member", _WRITE, create, MemberCreate, Member, "optional",
        conflicts=True, example=_EXAMPLE,
    ),
    Operation("GET", _PATH, "list_members", "List members", _READ, list_all, MemberList, ListOf[Member]),
    Operation("GET", f"{_PATH}/{{id}}", "get_member", "Read a member", _READ, retrieve, Expandable, Member),
    Operation(
        "POST", f"{_PATH}/{{id}}", "update_member", "Change a member's name or roles", _WRITE, update,
        MemberUpdate, Member, "optional", conflicts=True, example={"roles": ["finance"]},
    ),
    Operation(
        "DELETE", f"{_PATH}/{{id}}", "remove_member", "Remove a member and end their keys", _WRITE, remove,
        Nothing, DeletedMember, conflicts=True,
    ),
    Operation("GET", "/v1/roles", "list_roles", "List roles", _READ, list_roles, Paged, ListOf[Role]),
)  # fmt: skip
