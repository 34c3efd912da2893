"""What the signer holds each payout against: its own rosters and limits, and what it signed before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bascule.domain import stops
from bascule.domain import vault as layout
from bascule.domain.chain import Address, Hash
from bascule.domain.hashing import keccak
from bascule.services import account_bounds, item_rules, signer_mandates
from bascule.services.item_rules import Facts
from bascule.services.signing_intents import (
    AmountLimits,
    PayIntent,
    PayItem,
    RosterRule,
    Rules,
    RulesQuestion,
    SignerRefused,
    address,
)
from bascule.storage import signer_ledger, signer_limits, signer_rosters
from bascule.storage.database import Connection
from bascule.storage.signer_ledger import Item, Known
from bascule.storage.signer_limits import HardLimits

DAY = timedelta(hours=24)


def paid(intent: PayIntent) -> frozenset[str]:
    """The scopes under which an operator may have denied whom the question pays."""
    return frozenset([stops.destination(Address(item.to)) for item in intent.items])


async def serialize(conn: Connection, intent: PayIntent) -> None:
    """Other questions about this token in this vault wait until the transaction ends."""
    await signer_ledger.serialize_spending(
        conn, intent.chain_id, Address(intent.vault), Address(intent.token)
    )  # fmt: skip


async def bind(
    conn: Connection, intent: PayIntent, now: datetime, denied: frozenset[str]
) -> HardLimits | None:
    """The items of a well-formed question are these payouts, for ever, and counted: each is approved, within
    limits and the same as ever before. Returns those limits. denied: of `paid`, what is stopped now.

    The caller holds the count (`serialize`). Questions about different tokens, vaults or chains do not wait
    for each other's; if two name one payout at once, the second meets the first one's row here.
    Raises: SignerRefused naming every item at fault; the caller's transaction must be rolled back then.
    """
    items = [_item(intent, item) for item in intent.items]
    facts = await _facts(conn, intent, items, now, denied)
    faults = item_rules.faults(intent, facts, now)
    if faults:
        raise SignerRefused(
            "items_refused", f"{len(faults)} of {len(items)} items are refused.", tuple(faults)
        )
    return facts.limits


async def rules(conn: Connection, asked: RulesQuestion, now: datetime) -> Rules:
    """What a question would be held against now. Raises: SignerRefused when vault or token is no address."""
    place = asked.chain_id, address(asked.vault, "vault"), address(asked.token, "token")
    limits = await signer_limits.current(conn, *place)
    rosters = await signer_rosters.current(conn, asked.accounts)
    return Rules(
        limits=None if limits is None else AmountLimits(limits.max_per_item, limits.max_per_day),
        spent=await signer_ledger.spent_since(conn, *place, now - DAY),
        rosters=tuple(
            RosterRule(account_id, of.version, of.threshold, tuple(sorted(of.members)))
            for account_id, of in rosters.items()
        ),
        mandates=tuple(await signer_mandates.counts(conn, *place, asked.mandates, now)),
        bounds=tuple(await account_bounds.rules(conn, *place, asked.accounts, now)),
    )


async def _facts(
    conn: Connection, intent: PayIntent, items: Sequence[Item], now: datetime, denied: frozenset[str]
) -> Facts:
    """As the signer's own rows say, which the items are among from now on.

    The caller holds the count of the token's spending.
    """
    place = intent.chain_id, Address(intent.vault), Address(intent.token)
    accounts = {item.account_id for item in intent.items}
    accounts |= {each.account_id for each in intent.batches} | {each.account_id for each in intent.mandates}
    rosters = await signer_rosters.current(conn, accounts)
    ids = [each.batch_id for each in intent.batches]
    told = [each.mandate_id for each in intent.mandates]
    under = await signer_mandates.counts(conn, *place, told, now)
    bounds = await account_bounds.rules(conn, *place, accounts, now)
    spent = await signer_ledger.spent_since(conn, *place, now - DAY)
    spent_in = await signer_ledger.spent_in_batches(conn, *place, ids) if ids else {}
    fresh = await signer_ledger.insert_items(conn, items, now)  # after the sums: they are without these
    known = await signer_ledger.known_items(conn, items) if len(fresh) < len(items) else {}
    before = {item: known[item.payout_id] for item in items if item.payout_id in known.keys() - fresh}
    counted = {item: was for item, was in before.items() if was.signed_at > now - DAY}
    if before:
        await signer_ledger.count_again(conn, list(before), now)
    return Facts(
        limits=await signer_limits.current(conn, *place),
        rosters=rosters,
        spent=spent,
        spent_in=spent_in,
        denied=denied,
        signed={item.payout_id for item in before},
        counted={item.payout_id for item in counted},
        counted_under={item.payout_id for item, was in counted.items() if was.mandate_id == item.mandate_id},
        changed={item.payout_id for item in items if not _is_the_same(item, known)},
        mandates=signer_mandates.opened(intent, rosters, under, now),
        bounds=account_bounds.opened(bounds),
    )  # fmt: skip


def _is_the_same(item: Item, known: Mapping[str | int, Known]) -> bool:
    """A payout id and a vault id belong to each other and to one content, for ever."""
    found = [known[name] for name in (item.payout_id, item.vault_id) if name in known]
    return all((each.payout_id, each.digest) == (item.payout_id, item.digest) for each in found)


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
