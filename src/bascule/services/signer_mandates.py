"""Automatic money out: what the signer holds a payout against that goes out under a mandate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bascule.domain import stops
from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.domain.mandate import Mandate
from bascule.services import quorum
from bascule.services.signing_intents import GivenMandate, MandateRule, PayIntent, PayItem
from bascule.storage import signer_ledger, signer_stops
from bascule.storage.database import Connection
from bascule.storage.signer_rosters import Roster

DAY = timedelta(hours=24)


class Mandated:
    """A mandate of the question with what is wrong with it as a whole.

    spent: base units signed for under it in 24 hours, and so far in this question.
    """

    def __init__(
        self, intent: PayIntent, given: GivenMandate, roster: Roster | None, now: datetime, spent: int
    ) -> None:
        self.spent = spent
        self._text: Mandate | None = None
        self._fault = self._why_not(intent, given, roster, now)

    def revoke(self) -> None:
        """Nothing is within it any more."""
        self._fault = "mandate_revoked"

    def why_not(self, item: PayItem, amount: int) -> str | None:
        """The code of what is wrong with an item that adds `amount`; None: it is within the mandate."""
        text = self._text
        if self._fault is not None or text is None:
            return self._fault
        own = item.expiry or item.roster_version or item.approvals or item.batch
        if own or item.account_id != text.account or not text.covers(Address(item.to)):
            return "not_in_mandate"
        if item.amount > text.max_per_item:
            return "mandate_item_exceeded"
        return "mandate_day_exceeded" if self.spent + amount > text.max_per_day else None

    def _why_not(
        self, intent: PayIntent, given: GivenMandate, roster: Roster | None, now: datetime
    ) -> str | None:
        try:
            self._text = Mandate(
                account=given.account_id,
                mandate=given.mandate_id,
                kind=given.purpose,
                destination=given.destination,
                token=Address(intent.token),
                max_per_item=given.max_per_item,
                max_per_day=given.max_per_day,
                expiry=given.expiry,
            )
        except Rejected as error:
            return error.code
        if roster is None:
            return "roster_unknown"
        if now.timestamp() > given.expiry:
            return "mandate_expired"
        if intent.deadline > given.expiry:  # bytes kept back could be sent after the mandate is over
            return "deadline_after_mandate"
        return quorum.why_not(
            self._text.digest(intent.chain_id, Address(intent.vault)), given.approvals, roster
        )


async def counts(
    conn: Connection, chain_id: int, vault: Address, token: Address, ids: Sequence[str], now: datetime
) -> list[MandateRule]:
    """What the signer's own rows say of some mandates, in this order."""
    if not ids:
        return []
    spent = await signer_ledger.spent_under(conn, chain_id, vault, token, ids, now - DAY)
    revoked = await signer_stops.among(conn, [stops.mandate(each) for each in ids])
    return [MandateRule(id, spent.get(id, 0), stops.mandate(id) in revoked) for id in ids]


def opened(
    intent: PayIntent, rosters: Mapping[str, Roster], counted: Sequence[MandateRule], now: datetime
) -> list[Mandated]:
    """The mandates of the question in their order. counted: of each of them."""
    known = {each.mandate_id: each for each in counted}
    found = []
    for given in intent.mandates:
        rule = known[given.mandate_id]
        mandated = Mandated(intent, given, rosters.get(given.account_id), now, rule.spent)
        if rule.revoked:
            mandated.revoke()
        found.append(mandated)
    return found
