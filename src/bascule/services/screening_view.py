"""Screenings and lists as the API and the command line show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.domain.chain import caip2, checksum, hex32
from bascule.domain.money import display_units
from bascule.domain.screening import ScreeningState
from bascule.storage import screenings
from bascule.storage.database import Connection
from bascule.storage.screening_lists import Version
from bascule.storage.screenings import Subject

_NEXT = {
    (ScreeningState.OPEN, True): "Release it if it is another one's address; else reject it.",
    (ScreeningState.OPEN, False): "Release the payout if the address is another one's; else reject it.",
    (ScreeningState.REJECTED, True): "Leave the money there, report it, and do what the authority says.",
}


async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """These screenings in the order of `ids`."""
    return [_shown(each) for each in await screenings.several(conn, ids)]


def shown_list(version: Version) -> dict[str, Any]:
    """A version of a list."""
    return {
        "id": version.id,
        "object": "screening_list",
        "name": version.name,
        "version": version.version,
        "digest": hex32(version.digest),
        "entries": version.entries,
        "added": version.added,
        "removed": version.removed,
        "imported_by": version.imported_by,
        "created": int(version.created_at.timestamp()),
        "rescreened_at": None if version.rescreened_at is None else int(version.rescreened_at.timestamp()),
    }


def _shown(found: Subject) -> dict[str, Any]:
    row, decided = found.screening, found.screening.decided_at
    amount = None if found.decimals is None else display_units(found.amount, found.decimals)
    return {
        "id": row.id,
        "object": "screening",
        "status": row.state.value,
        "account": row.account_id,
        "deposit": row.deposit_id,
        "payout": row.payout_id,
        "subject_status": found.subject_state,
        "address": checksum(row.address),
        "list": f"{row.list}.{row.version}",
        "reference": row.reference,
        "network": caip2(found.chain_id),
        "token": found.token_id,
        "currency": found.currency,
        "amount": amount,
        "amount_atomic": str(found.amount),
        "next_step": _NEXT.get((row.state, row.deposit_id is not None)),
        "decided_by": row.decided_by,
        "reason": row.reason,
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
        "decided_at": None if decided is None else int(decided.timestamp()),
    }
