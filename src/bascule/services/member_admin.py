"""Members as an account handles them: who they are, which roles they have, and that a key ends with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bascule.domain import member as rules
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict, Forbidden, NotFound
from bascule.domain.ids import Prefix
from bascule.services.key_admin import Giver
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import api_keys, members
from bascule.storage.database import Connection
from bascule.storage.members import Member


def describe(member: Member) -> dict[str, Any]:
    """The member as the API shows them."""
    removed = member.removed_at
    return {
        "id": member.id,
        "object": "member",
        "email": member.email,
        "name": member.name,
        "roles": list(member.roles),
        "approver": None if member.approver is None else checksum(Address(bytes(member.approver))),
        "removed_at": None if removed is None else int(removed.timestamp()),
        "livemode": member.livemode,
        "created": int(member.created_at.timestamp()),
        "version": member.version,
    }


@dataclass(frozen=True)
class MemberAdmin:
    """Use-cases on one account's members; each runs in the caller's transaction.

    Nobody gives a role that may do more than the key they ask with, nor changes or removes who may. So only
    who may do everything touches an owner; and one who is the last stays one.
    """

    clock: Clock
    entropy: Entropy

    async def add(
        self, conn: Connection, giver: Giver, *, email: str, name: str, roles: Sequence[str],
        approver: Address | None,
    ) -> dict[str, Any]:  # fmt: skip
        """A new member. Raises: Rejected, Forbidden, Conflict `member_exists`."""
        _require(giver, roles)
        member = Member(
            id=new_id(Prefix.MEMBER, self.clock, self.entropy),
            account_id=giver.account_id,
            livemode=giver.livemode,
            email=email,
            name=name,
            roles=list(dict.fromkeys(roles)),
            approver=approver,
            created_at=self.clock.now(),
        )
        if not await members.insert(conn, member):
            raise Conflict("member_exists", "The account has a member with this address.", param="email")
        return describe(member)

    async def change(
        self, conn: Connection, giver: Giver, id: str, *, name: str | None, roles: Sequence[str] | None
    ) -> dict[str, Any]:
        """Other words or roles; keys that a lost role allowed end. Raises: NotFound, Forbidden, Conflict."""
        owners = await members.lock_owners(conn, giver.account_id, giver.livemode)
        member = await self._present(conn, giver, id)
        wanted = member.roles if roles is None else list(dict.fromkeys(roles))
        _require(giver, wanted)
        if rules.OWNER not in wanted:
            _require_another(owners, id)
        if rules.lacking(rules.scopes_of(wanted), rules.scopes_of(member.roles)):
            await api_keys.revoke_of_member(conn, id, self.clock.now())
        return describe(
            await members.update(conn, id, name=member.name if name is None else name, roles=wanted)
        )

    async def remove(self, conn: Connection, giver: Giver, id: str) -> dict[str, Any]:
        """The member is one no more, and their keys end. Raises: NotFound, Conflict."""
        owners = await members.lock_owners(conn, giver.account_id, giver.livemode)
        await self._present(conn, giver, id)
        _require_another(owners, id)
        now = self.clock.now()
        await members.remove(conn, id, now)
        await api_keys.revoke_of_member(conn, id, now)
        return {"id": id, "object": "member", "deleted": True}

    async def _present(self, conn: Connection, giver: Giver, id: str) -> Member:
        member = await members.lock(conn, id)
        if member is None or (member.account_id, member.livemode) != (giver.account_id, giver.livemode):
            raise NotFound("resource_missing", f"No such member: {id!r:.70}.", param="id")
        if member.removed_at is not None:
            raise Conflict("member_removed", "The member was removed.")
        if rules.lacking(giver.scopes, sorted(rules.scopes_of(member.roles))):
            raise Forbidden(
                "scope_missing",
                "The member's roles allow more than the key that asks.",
                next_step="Ask with a key that may do all that the member may.",
            )
        return member


def _require(giver: Giver, roles: Sequence[str]) -> None:
    if rules.lacking(giver.scopes, sorted(rules.scopes_of(roles))):
        raise Forbidden(
            "scope_missing",
            "A role would allow more than the key that gives it.",
            next_step="Ask with a key that may do all the roles may.",
        )


def _require_another(owners: Sequence[str], id: str) -> None:
    """owners: the account's, all locked: two who take each other's role away do so one after the other."""
    if list(owners) == [id]:
        raise Conflict(
            "last_owner", "The member is the account's last owner.", param="id",
            next_step="Make somebody else an owner first.",
        )  # fmt: skip
