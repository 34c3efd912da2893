"""What the signer holds each payout against: its own rosters and limits, and what it signed before.

A signature is recovered once: for one payout, or for a batch, whose leaves then say which payouts it means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bascule.domain import stops
from bascule.domain import vault as layout
from bascule.domain.approval import LEAF, BatchApproval, BatchItem, PayoutApproval
from bascule.domain.chain import Address, Hash
from bascule.domain.hashing import keccak
from bascule.services import quorum, signer_mandates
from bascule.services.signer_mandates import Mandated
from bascule.services.signing_intents import (
    ApprovedBatch,
    OffendingItem,
    PayIntent,
    PayItem,
    SignerRefused,
)
from bascule.storage import signer_ledger, signer_limits, signer_rosters, signer_stops
from bascule.storage.database import Connection
from bascule.storage.signer_ledger import Item
from bascule.storage.signer_limits import HardLimits
from bascule.storage.signer_rosters import Roster

DAY = timedelta(hours=24)


async def allowed(conn: Connection, intent: PayIntent, now: datetime) -> list[Item]:
    """The items of a well-formed question, each approved, within limits and the same as ever before.

    Raises: SignerRefused naming every item at fault.
    """
    vault, token = Address(intent.vault), Address(intent.token)
    await signer_ledger.serialize_spending(conn, intent.chain_id, vault, token)
    limits = await signer_limits.current(conn, intent.chain_id, vault, token)
    accounts = {item.account_id for item in intent.items}
    accounts |= {each.account_id for each in intent.batches} | {each.account_id for each in intent.mandates}
    rosters = await signer_rosters.current(conn, accounts)
    batches = [_Batch(intent, each, rosters.get(each.account_id), now) for each in intent.batches]
    if batches:
        ids = [each.batch_id for each in intent.batches]
        spent_of = await signer_ledger.spent_in_batches(conn, intent.chain_id, vault, token, ids)
        for batch in batches:
            batch.spent = spent_of.get(batch.asked.batch_id, 0)
    mandates = await signer_mandates.opened(conn, intent, rosters, now)
    items = [_item(intent, item) for item in intent.items]
    known = await signer_ledger.known_items(conn, items)
    spent = await signer_ledger.spent_since(conn, intent.chain_id, vault, token, now - DAY)
    denied = await signer_stops.among(conn, {stops.destination(Address(item.to)) for item in intent.items})
    faults: list[OffendingItem] = []
    for asked, item in zip(intent.items, items, strict=True):
        fresh = item.payout_id not in known
        amount = item.amount if fresh else 0  # what was signed before was counted before
        code = (
            _why_not_the_same(item, known)
            or ("destination_denied" if stops.destination(Address(asked.to)) in denied else None)
            or _why_not_allowed(intent, asked, amount, batches, mandates, rosters, now)
            or _why_too_much(item, limits, spent + amount if fresh else 0)
        )
        if code is not None:
            faults.append(OffendingItem(item.payout_id, code))
            continue
        spent += amount
        if asked.batch:
            batches[asked.batch.batch].spent += amount
        if asked.mandate is not None:
            mandates[asked.mandate].spent += amount
    if faults:
        raise SignerRefused(
            "items_refused", f"{len(faults)} of {len(items)} items are refused.", tuple(faults)
        )
    return items


async def keep(conn: Connection, items: Sequence[Item], now: datetime) -> None:
    """The items are these payouts, for ever, and counted.

    Questions about different tokens, vaults or chains do not wait for each other's count; if two name one
    payout at once, the second meets the first one's row here. Raises: SignerRefused naming it.
    """
    await signer_ledger.insert_items(conn, items, now)
    kept = await signer_ledger.known_items(conn, items)
    others = [item for item in items if kept.get(item.payout_id) != (item.payout_id, item.digest)]
    if others:
        faults = tuple(OffendingItem(item.payout_id, "content_changed") for item in others)
        raise SignerRefused(
            "items_refused", f"{len(others)} of {len(items)} were signed as another just now.", faults
        )


def _why_not_allowed(
    intent: PayIntent,
    asked: PayItem,
    amount: int,
    batches: Sequence[_Batch],
    mandates: Sequence[Mandated],
    rosters: Mapping[str, Roster],
    now: datetime,
) -> str | None:
    """People approved exactly this, alone or in a batch, or a mandate of theirs covers it."""
    if asked.mandate is not None:
        return mandates[asked.mandate].why_not(asked, amount)
    if asked.batch:
        return batches[asked.batch.batch].why_not(asked, amount)
    return _why_not_approved(intent, asked, rosters.get(asked.account_id), now)


class _Batch:
    """A batch of the question with what is wrong with it as a whole. spent: base units signed for in it."""

    def __init__(self, intent: PayIntent, asked: ApprovedBatch, roster: Roster | None, now: datetime) -> None:
        self.asked = asked
        self.spent = self._total = 0
        self._token = Address(intent.token)
        self._text: BatchApproval | None = None
        self._fault = _why_not_now(intent, asked, roster, now) or self._why_not_signed(intent, asked, roster)

    def why_not(self, item: PayItem, amount: int) -> str | None:
        """The code of what is wrong with an item that adds `amount`; None: people approved exactly this."""
        if self._fault is not None or self._text is None or item.batch is None:
            return self._fault or "batch_malformed"
        leaf = BatchItem(item.payout_id, self._token, Address(item.to), item.amount).leaf()
        own = item.expiry or item.roster_version or item.approvals
        if own or item.account_id != self.asked.account_id or not self._text.has(item.batch.place, leaf):
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


def _why_too_much(item: Item, limits: HardLimits | None, spent: int) -> str | None:
    """spent: base units of the day with this item; 0 when it was counted before."""
    if limits is None:
        return "token_not_allowed"
    if item.amount > limits.max_per_item:
        return "item_limit_exceeded"
    return "day_limit_exceeded" if spent > limits.max_per_day else None


def _why_not_the_same(item: Item, known: Mapping[str | int, tuple[str, Hash]]) -> str | None:
    """A payout id and a vault id belong to each other and to one content, for ever."""
    same = (item.payout_id, item.digest)
    for name in (item.payout_id, item.vault_id):
        if known.get(name, same) != same:
            return "content_changed"
    return None


def _why_not_now(
    intent: PayIntent, asked: PayItem | ApprovedBatch, roster: Roster | None, now: datetime
) -> str | None:
    """The approvals are of our own current roster, and not too old when the bytes are sent."""
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
    """Enough different members of our own current roster signed exactly this, and not too long ago."""
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


def _item(intent: PayIntent, item: PayItem) -> Item:
    """The item with the digest of its content; approvals and fees are not content, they may be given anew."""
    vault_id = layout.id_at(intent.word, item.position)
    content = b"".join(
        (
            keccak(item.account_id.encode()),
            keccak(item.payout_id.encode()),
            intent.chain_id.to_bytes(32, "big"),
            intent.vault,
            vault_id.to_bytes(32, "big"),
            intent.token,
            item.to,
            item.amount.to_bytes(32, "big"),
        )
    )
    return Item(
        payout_id=item.payout_id,
        account_id=item.account_id,
        chain_id=intent.chain_id,
        vault=Address(intent.vault),
        vault_id=vault_id,
        token=Address(intent.token),
        amount=item.amount,
        digest=Hash(keccak(content)),
        batch_id=intent.batches[item.batch.batch].batch_id if item.batch else None,
        mandate_id=None if item.mandate is None else intent.mandates[item.mandate].mandate_id,
    )
