"""The address book: an address is checked once, by two people, and named afterwards.

Each use-case runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.chain.signatures import recover
from bascule.domain.approval import DestinationApproval
from bascule.domain.chain import Address, caip2, checksum, parse_address
from bascule.domain.errors import Conflict, Forbidden, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType
from bascule.services import policy
from bascule.services.outbox import Outbox
from bascule.services.payout_request import read_network, read_signature, require_foreign
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import approvals, audit, destinations, networks
from bascule.storage.database import Connection
from bascule.storage.destinations import Destination, NewDestination

RequestContext = Mapping[str, Any] | None


@dataclass(frozen=True)
class Destinations:
    """Use-cases on the address book."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox

    async def add(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        network: object,
        address: object,
        label: str,
        created_by: str,
        maker: Address | None,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A new entry. maker: the person who adds it, who may not verify it.

        Raises: Rejected, naming the parameter; Conflict `destination_exists`.
        """
        chain = await read_network(conn, network, livemode)
        to = parse_address(address, param="address")
        if checksum(to) != address:
            raise Rejected(
                "address_checksum_missing",
                "The address book takes addresses with their EIP-55 checksum, in upper and lower case.",
                param="address",
                next_step="Copy the address from a wallet or an explorer, which show it that way.",
            )
        await require_foreign(conn, chain.chain_id, to, param="address")
        await self._require_allowed(conn, account_id, livemode, to)
        new = NewDestination(
            new_id(Prefix.DESTINATION, self.clock, self.entropy),
            *(account_id, livemode, chain.chain_id, to, label, created_by, maker, self.clock.now()),
        )
        row = await destinations.insert(conn, new)
        if row is None:
            known = await destinations.of_addresses(conn, account_id, livemode, chain.chain_id, [to])
            raise Conflict(
                "destination_exists", f"The address is in the book as {known[to].id}.", param="address"
            )
        return await self._tell(conn, EventType.DESTINATION_CREATED, row, created_by, context)

    async def verify(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        destination_id: str,
        approver: object,
        signature: object,
        actor: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """An approver, who did not add the entry, vouches for its address by an EIP-712 signature.

        Verified is verified: once more changes nothing. Raises: Rejected `signature_invalid`,
        `signature_mismatch`; Forbidden `approver_unknown`, `approver_is_requester`; NotFound.
        """
        who = parse_address(approver, param="approver")
        raw = read_signature(signature)
        row = await own(conn, destination_id, account_id, livemode)
        if row.verified_by is not None:
            return await describe_row(conn, row)
        people = await _may_verify(conn, row)
        if who not in people:
            code = "approver_is_requester" if who == row.maker else "approver_unknown"
            raise Forbidden(code, f"{checksum(who)} may not verify this entry; another approver must.")
        digest = (await _text(conn, row)).digest(row.chain_id, await _vault(conn, row))
        if recover(digest, raw) != who:
            raise Rejected(
                "signature_mismatch",
                f"{checksum(who)} did not sign this entry.",
                param="signature",
                next_step="Sign next_action.typed_data of this destination.",
            )
        await destinations.verify(
            conn, row.id, approver=who, digest=digest, signature=raw, created_at=self.clock.now()
        )
        verified = await own(conn, destination_id, account_id, livemode)
        return await self._tell(conn, EventType.DESTINATION_VERIFIED, verified, actor, context)

    async def archive(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        destination_id: str,
        actor: str,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Takes an entry out of the book; the address is new again when it comes back."""
        row = await own(conn, destination_id, account_id, livemode)
        if await destinations.archive(conn, row.id, self.clock.now()):
            await audit.append(
                conn, actor=actor, action="destination.archive", object_id=row.id, request_id=request_id
            )
        return await describe_row(conn, await own(conn, destination_id, account_id, livemode))

    async def _require_allowed(
        self, conn: Connection, account_id: str, livemode: bool, to: Address
    ) -> None:  # fmt: skip
        if (whose := await policy.denied_by_any(conn, account_id, livemode, to)) is not None:
            raise Rejected(
                "destination_denylisted", f"{checksum(to)} is on {whose}'s denylist.", param="address"
            )

    async def _tell(
        self, conn: Connection, type: EventType, row: Destination, actor: str, context: RequestContext
    ) -> dict[str, Any]:
        shown = await describe_row(conn, row)
        await audit.append(
            conn,
            actor=actor,
            action=str(type),
            object_id=row.id,
            details={"address": shown["address"], "network": shown["network"], "label": row.label},
            request_id=None if context is None else context.get("id"),
        )
        await self.outbox.append(
            conn,
            account_id=row.account_id,
            livemode=row.livemode,
            type=type,
            object_id=row.id,
            object_version=row.version,
            object=shown,
            request=context,
        )
        return shown


async def own(conn: Connection, destination_id: str, account_id: str, livemode: bool) -> Destination:
    """The account's entry. Raises: NotFound, also when it is another's."""
    row = await destinations.get(conn, destination_id)
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such destination: {destination_id!r:.70}.", param="id")
    return row


async def describe_row(conn: Connection, row: Destination) -> dict[str, Any]:
    """An entry as the API shows it."""
    waits = row.verified_by is None and row.archived_at is None
    return {
        "id": row.id,
        "object": "destination",
        "label": row.label,
        "network": caip2(row.chain_id),
        "address": checksum(row.address),
        "verified": None
        if row.verified_by is None or row.verified_at is None
        else {"approver": checksum(row.verified_by), "created": int(row.verified_at.timestamp())},
        "next_action": await _sign_verification(conn, row) if waits else None,
        "archived": row.archived_at is not None,
        "created_by": row.created_by,
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
        "version": row.version,
    }


async def _sign_verification(conn: Connection, row: Destination) -> dict[str, Any]:
    text = await _text(conn, row)
    return {
        "type": "sign_verification",
        "typed_data": text.typed_data(row.chain_id, await _vault(conn, row)),
        "approvers": [checksum(each) for each in sorted(await _may_verify(conn, row))],
    }


async def _text(conn: Connection, row: Destination) -> DestinationApproval:
    roster = await approvals.roster_version(conn, row.account_id) or 0
    return DestinationApproval(row.account_id, row.id, row.address, row.label, roster)


async def _may_verify(conn: Connection, row: Destination) -> frozenset[Address]:
    roster = await approvals.roster_version(conn, row.account_id) or 0
    return frozenset(await approvals.roster(conn, row.account_id, roster)) - {row.maker}


async def _vault(conn: Connection, row: Destination) -> Address:
    network = await networks.get(conn, row.chain_id)
    assert network is not None, "an entry's network is for ever"
    assert network.vault is not None, "no entry is made where nothing is paid out"
    return Address(network.vault)
