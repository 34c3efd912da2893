"""Mandates as payouts meet them: whether one goes out under one, and what the signer is told of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from bascule.domain import mandate as rulebook
from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.domain.mandate import Mandate, MandateState, Use
from bascule.services.payout_request import PayoutTerms
from bascule.services.policy import Verdict
from bascule.services.signing_intents import GivenMandate
from bascule.storage import approvals, mandates
from bascule.storage.database import Connection
from bascule.storage.mandates import MandateRow, NewMandate
from bascule.storage.tokens import Token

DAY = timedelta(hours=24)
KIND = "payout"


def text_of(row: NewMandate, token: Token) -> Mandate:
    """What approvers sign; nothing of it ever changes."""
    return Mandate(
        account=row.account_id,
        mandate=row.id,
        kind=row.kind,
        destination=row.destination,
        token=Address(token.contract),
        max_per_item=row.max_per_item,
        max_per_day=row.max_per_day,
        expiry=int(row.expires_at.timestamp()),
    )


async def require_for(
    conn: Connection, named: str, account_id: str, livemode: bool, terms: PayoutTerms
) -> MandateRow:
    """The mandate a payout names. Raises: Rejected `mandate_unknown`; `not_in_mandate` when it never fits."""
    row = await mandates.get(conn, named)
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise Rejected("mandate_unknown", f"No such mandate: {named!r:.70}.", param="mandate")
    if row.kind != KIND:
        raise Rejected("not_in_mandate", f"{row.id} is for {row.kind}s.", param="mandate")
    if row.token_id != terms.token.id:
        raise Rejected("not_in_mandate", f"{row.id} is for token {row.token_id}.", param="mandate")
    if row.vault != terms.vault:
        raise Rejected("not_in_mandate", f"{row.id} is for another vault of the network.", param="mandate")
    if not text_of(row, terms.token).covers(terms.destination):
        raise Rejected("not_in_mandate", f"{row.id} pays {row.destination} alone.", param="to")
    return row


async def lacks(
    conn: Connection, row: MandateRow, terms: PayoutTerms, verdict: Verdict, now: datetime
) -> list[str]:
    """Why people must approve the payout all the same; nothing: it goes out under the mandate.

    The caller holds the count of what the account asks for of the token.
    """
    signed = {each.approver for each in (await mandates.approvals_of(conn, [row.id]))[row.id]}
    spent = await mandates.spent_since(conn, [row.id], now - DAY)
    use = Use(
        amount=terms.amount.units,
        spent=spent.get(row.id, 0),
        signed=len(signed & verdict.may_sign),
        required=verdict.decision.approvals_required,
        at=now,
    )
    return list(rulebook.lacks(row.state, row.expires_at, row.max_per_item, row.max_per_day, use))


async def given(conn: Connection, ids: Iterable[str]) -> dict[str, GivenMandate]:
    """Mandates by id as the signer is asked with them, with the signatures of who is an approver still."""
    found = await mandates.of_ids(conn, ids)
    signed = await mandates.approvals_of(conn, found)
    return {id: await _given(conn, row, signed[id]) for id, row in found.items()}


async def ended(conn: Connection, mandate_id: str) -> bool:
    """Whether nothing goes out under it any more, as far as the bridge knows."""
    row = await mandates.get(conn, mandate_id)
    return row is None or row.state is not MandateState.ACTIVE


async def _given(conn: Connection, row: MandateRow, signed: Iterable[mandates.Signed]) -> GivenMandate:
    version = await approvals.roster_version(conn, row.account_id) or 0
    people = await approvals.roster(conn, row.account_id, version)
    return GivenMandate(
        mandate_id=row.id,
        account_id=row.account_id,
        purpose=row.kind,
        destination=row.destination,
        max_per_item=row.max_per_item,
        max_per_day=row.max_per_day,
        expiry=int(row.expires_at.timestamp()),
        approvals=tuple(each.signature for each in signed if each.approver in people),
    )
