"""Mandates as payouts meet them: whether one goes out under one, and what the signer is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bascule.domain import mandate as rulebook
from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.domain.mandate import Kind, Mandate, MandateState, Use
from bascule.domain.policy import Decision, Rule
from bascule.services.payout_request import PayoutTerms
from bascule.services.policy import Verdict
from bascule.services.signing_intents import GivenMandate
from bascule.storage import approvals, mandates
from bascule.storage.database import Connection
from bascule.storage.mandates import MandateRow, NewMandate
from bascule.storage.tokens import Token

DAY = timedelta(hours=24)


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


@dataclass
class Allowances:
    """Some mandates and what is left of them, to be used up by one payout after the other.

    The caller holds the count of what the account asks for of their tokens. signed: who signed each; spent:
    base units asked for under each in 24 hours.
    """

    rows: Mapping[str, MandateRow]
    signed: Mapping[str, frozenset[Address]]
    spent: dict[str, int]
    now: datetime

    def fitting(
        self, named: str, account_id: str, livemode: bool, terms: PayoutTerms, kind: Kind = "payout"
    ) -> MandateRow:
        """The mandate a payout names. Raises: Rejected `mandate_unknown`; `not_in_mandate`: it never fits."""
        row = self.rows.get(named)
        if row is None or (row.account_id, row.livemode) != (account_id, livemode):
            raise Rejected("mandate_unknown", f"No such mandate: {named!r:.70}.", param="mandate")
        if row.kind != kind:
            raise Rejected("not_in_mandate", f"{row.id} is for {row.kind}s.", param="mandate")
        if row.token_id != terms.token.id:
            raise Rejected("not_in_mandate", f"{row.id} is for token {row.token_id}.", param="mandate")
        if row.vault != terms.vault:
            raise Rejected("not_in_mandate", f"{row.id} is for another vault.", param="mandate")
        if not text_of(row, terms.token).covers(terms.destination):
            raise Rejected("not_in_mandate", f"{row.id} pays {row.destination} alone.", param="to")
        return row

    def lacks(self, row: MandateRow, amount: int, may_sign: frozenset[Address], required: int) -> list[str]:
        """Why people must approve a payout all the same; nothing: it goes out under the mandate.

        may_sign, required: whose approval counts for it, and how many of them policy asks for.
        """
        signed = len(self.signed[row.id] & may_sign)
        use = Use(amount, self.spent.get(row.id, 0), signed, required, self.now)
        return list(rulebook.lacks(row.state, row.expires_at, row.max_per_item, row.max_per_day, use))

    def count(self, row: MandateRow, amount: int) -> None:
        """One more payout goes out under it: those after it are held against what is left."""
        self.spent[row.id] = self.spent.get(row.id, 0) + amount


async def allowances(conn: Connection, ids: Iterable[str], now: datetime) -> Allowances:
    """Some mandates as they stand; those that do not exist are missing."""
    rows = await mandates.of_ids(conn, ids)
    given = await mandates.approvals_of(conn, rows)
    signed = {id: frozenset(each.approver for each in given[id]) for id in rows}
    return Allowances(rows, signed, await mandates.spent_since(conn, rows, now - DAY), now)


async def carrying(
    conn: Connection, account_id: str, livemode: bool, terms: PayoutTerms, kind: Kind, verdict: Verdict,
    now: datetime,
) -> MandateRow | None:  # fmt: skip
    """A mandate that carries a payout which names none: of those that do, the one that ends first."""
    ids = await mandates.standing(conn, account_id, livemode, kind, terms.token.id, terms.vault)
    left = await allowances(conn, ids, now)
    required = verdict.decision.approvals_required
    for row in sorted(left.rows.values(), key=lambda row: (row.expires_at, row.id)):
        fits = text_of(row, terms.token).covers(terms.destination)
        if fits and not left.lacks(row, terms.amount.units, verdict.may_sign, required):
            return row
    return None


async def judged(
    conn: Connection, verdict: Verdict, terms: PayoutTerms, *, account_id: str, livemode: bool, kind: Kind,
    named: str | None, now: datetime,
) -> tuple[Decision, MandateRow | None]:  # fmt: skip
    """What policy said of a payout with what a mandate adds to it, and the mandate it goes out under, if any.

    named: by whoever asks. What repeats by itself, a refund or a settlement, need not name one.
    Raises: Rejected, as `Allowances.fitting`.
    """
    if named is None:
        row = None
        if kind != "payout":
            row = await carrying(conn, account_id, livemode, terms, kind, verdict, now)
        return (verdict.decision, None) if row is None else (_by_mandate(verdict.decision, row.id, ()), row)
    left = await allowances(conn, [named], now)
    row = left.fitting(named, account_id, livemode, terms, kind)
    required = verdict.decision.approvals_required
    lacks = left.lacks(row, terms.amount.units, verdict.may_sign, required)
    return _by_mandate(verdict.decision, row.id, lacks), None if lacks else row


def _by_mandate(decision: Decision, mandate_id: str, lacks: Sequence[str]) -> Decision:
    """The same with what the mandate adds: that nobody need sign, or why people must."""
    said = f"{mandate_id} carries it." if not lacks else f"{mandate_id} does not: {', '.join(lacks)}."
    return replace(decision, rule=Rule.MANDATE, reasons=(*(decision.reasons if lacks else ()), said))


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
