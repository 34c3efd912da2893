"""Whether a payout may be signed for: one check, which the submitter makes before it reserves and the signer
again before it binds.

Nothing is read or written here: the signer judges by its own rows, the submitter by what the signer told it
of them (`signing_intents.Rules`) a moment ago. A signature is recovered once: for one payout, or for a batch,
whose leaves then say which payouts it means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import structs

from bascule.domain import stops
from bascule.domain.approval import LEAF, BatchApproval, BatchItem, PayoutApproval
from bascule.domain.chain import Address
from bascule.services import account_bounds, quorum, signer_mandates
from bascule.services.account_bounds import Bound
from bascule.services.signer_mandates import Mandated
from bascule.services.signing_intents import (
    ApprovedBatch,
    OffendingItem,
    PayIntent,
    PayItem,
    RosterRule,
    Rules,
)
from bascule.storage.signer_limits import HardLimits
from bascule.storage.signer_rosters import Roster

# Refused now for what other payouts took or an operator has not allowed: nobody need approve them anew.
WAIT = frozenset({"day_limit_exceeded", "mandate_day_exceeded", "account_day_exceeded", "token_not_allowed"})


@dataclass(frozen=True)
class Facts:
    """What items are held against; all of one chain, vault and token.

    spent: base units last signed for in 24 hours; spent_in: in a batch of approvals; denied: scopes as in
    `domain.stops`; signed, changed: payouts that were signed for before, and those whose content is another;
    counted, counted_under: of `signed`, those that `spent`, and that their mandate's day, has in it already;
    bounds: of accounts that have some of their own.
    """

    limits: HardLimits | None
    rosters: Mapping[str, Roster]
    spent: int
    spent_in: Mapping[str, int] = field(default_factory=dict)
    denied: AbstractSet[str] = frozenset()
    signed: AbstractSet[str] = frozenset()
    counted: AbstractSet[str] = frozenset()
    counted_under: AbstractSet[str] = frozenset()
    changed: AbstractSet[str] = frozenset()
    mandates: Sequence[Mandated] = ()
    bounds: Mapping[str, Bound] = field(default_factory=dict)

    @classmethod
    def of(
        cls, rules: Rules, intent: PayIntent, reserved: int, reserved_under: Mapping[str, int], now: datetime
    ) -> Facts:
        """What the signer said of a question.

        reserved, reserved_under: base units it will be asked for beside, in all and by mandate.
        """
        limits = rules.limits
        rosters = {each.account_id: _roster(each) for each in rules.rosters}
        counted = [
            structs.replace(each, spent=each.spent + reserved_under.get(each.mandate_id, 0))
            for each in rules.mandates
        ]
        return cls(
            limits=None if limits is None else HardLimits(limits.per_item, limits.per_day, 0, 0),
            rosters=rosters,
            spent=rules.spent + reserved,
            mandates=signer_mandates.opened(intent, rosters, counted, now),
            bounds=account_bounds.opened(rules.bounds, reserved),
        )


def faults(intent: PayIntent, facts: Facts, now: datetime) -> list[OffendingItem]:
    """The items that may not be signed for, in their order, each with the code of why; the others may."""
    batches = [_Batch(intent, each, facts, now) for each in intent.batches]
    spent = facts.spent
    found: list[OffendingItem] = []
    for item in intent.items:
        amount = 0 if item.payout_id in facts.counted else item.amount
        own = 0 if item.payout_id in _counted_with_its_own(item, facts) else item.amount
        bound = facts.bounds.get(item.account_id)
        code = (
            ("content_changed" if item.payout_id in facts.changed else None)
            or ("destination_denied" if _denied(item, facts) else None)
            or _why_not_allowed(intent, item, own, batches, facts, now)
            or (bound.why_not(item, amount) if bound is not None else None)
            or _why_too_much(item.amount, facts.limits, spent + amount if amount else 0)
        )
        if code is not None:
            found.append(OffendingItem(item.payout_id, code))
            continue
        spent += amount
        if bound is not None:
            bound.spent += amount
        if item.batch:
            batches[item.batch.batch].spent += own
        if item.mandate is not None:
            facts.mandates[item.mandate].spent += own
    return found


def _denied(item: PayItem, facts: Facts) -> bool:
    return bool(facts.denied) and stops.destination(Address(item.to)) in facts.denied


def _counted_with_its_own(item: PayItem, facts: Facts) -> AbstractSet[str]:
    """What its mandate has in its day; what its batch has in its total, for ever."""
    return facts.counted_under if item.mandate is not None else facts.signed


def _why_not_allowed(
    intent: PayIntent,
    item: PayItem,
    amount: int,
    batches: Sequence[_Batch],
    facts: Facts,
    now: datetime,
) -> str | None:
    """People approved exactly this, alone or in a batch, or a mandate of theirs covers it."""
    if item.mandate is not None:
        return facts.mandates[item.mandate].why_not(item, amount)
    if item.batch:
        return batches[item.batch.batch].why_not(item, amount)
    return _why_not_approved(intent, item, facts.rosters.get(item.account_id), now)


class _Batch:
    """A batch of the question with what is wrong with it as a whole. spent: base units signed for in it."""

    def __init__(self, intent: PayIntent, asked: ApprovedBatch, facts: Facts, now: datetime) -> None:
        roster = facts.rosters.get(asked.account_id)
        self.spent = facts.spent_in.get(asked.batch_id, 0)
        self._asked = asked
        self._total = 0
        self._token = Address(intent.token)
        self._text: BatchApproval | None = None
        self._fault = _why_not_now(intent, asked, roster, now) or self._why_not_signed(intent, asked, roster)

    def why_not(self, item: PayItem, amount: int) -> str | None:
        """The code of what is wrong with an item that adds `amount`; None: people approved exactly this."""
        if self._fault is not None or self._text is None or item.batch is None:
            return self._fault or "batch_malformed"
        leaf = BatchItem(item.payout_id, self._token, Address(item.to), item.amount).leaf()
        own = item.expiry or item.roster_version or item.approvals
        if own or item.account_id != self._asked.account_id or not self._text.has(item.batch.place, leaf):
            return "not_in_batch"
        return "batch_total_exceeded" if self.spent + amount > self._total else None

    def _why_not_signed(self, intent: PayIntent, asked: ApprovedBatch, roster: Roster | None) -> str | None:
        whole = asked.leaves and len(asked.leaves) % LEAF == 0
        once = len({token for token, _ in asked.totals}) == len(asked.totals)
        plain = all(len(token) == 20 and 0 <= amount < 2**256 for token, amount in asked.totals)
        if not (whole and once and plain):
            return "batch_malformed"
        self._total = dict(asked.totals).get(self._token, 0)
        self._text = BatchApproval(
            account=asked.account_id,
            batch=asked.batch_id,
            totals=tuple((Address(token), amount) for token, amount in asked.totals),
            leaves=asked.leaves,
            expiry=asked.expiry,
            roster_version=asked.roster_version,
        )
        assert roster is not None, "its version was compared"
        digest = self._text.digest(intent.chain_id, Address(intent.vault))
        return quorum.why_not(digest, asked.approvals, roster)


def _why_too_much(amount: int, limits: HardLimits | None, spent: int) -> str | None:
    """spent: base units of the day with this item; 0 when it was counted before."""
    if limits is None:
        return "token_not_allowed"
    if amount > limits.max_per_item:
        return "item_limit_exceeded"
    return "day_limit_exceeded" if spent > limits.max_per_day else None


def _why_not_now(
    intent: PayIntent, asked: PayItem | ApprovedBatch, roster: Roster | None, now: datetime
) -> str | None:
    """The approvals are of the signer's own current roster, and not too old when the bytes are sent."""
    if roster is None:
        return "roster_unknown"
    if asked.roster_version != roster.version:
        return "roster_not_current"
    if not now.timestamp() <= asked.expiry < 2**64:
        return "approval_expired"
    if intent.deadline > asked.expiry:  # bytes kept back could be sent after the approval is over
        return "deadline_after_approval"
    return None


def _why_not_approved(intent: PayIntent, item: PayItem, roster: Roster | None, now: datetime) -> str | None:
    """Enough members of the signer's own current roster signed exactly this, and not too long ago."""
    fault = _why_not_now(intent, item, roster, now)
    if fault is not None or roster is None:
        return fault
    digest = PayoutApproval(
        account=item.account_id,
        payout=item.payout_id,
        token=Address(intent.token),
        to=Address(item.to),
        amount=item.amount,
        expiry=item.expiry,
        roster_version=item.roster_version,
    ).digest(intent.chain_id, Address(intent.vault))
    return quorum.why_not(digest, item.approvals, roster)


def _roster(rule: RosterRule) -> Roster:
    return Roster(rule.version, rule.threshold, frozenset(map(Address, rule.members)))
