"""What one account may be signed for, beside the vault's limits: a day's cap, the only addresses it pays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bascule.domain.chain import Address
from bascule.services.signing_intents import AccountRule, PayItem
from bascule.storage import signer_account_limits
from bascule.storage.database import Connection

DAY = timedelta(hours=24)


@dataclass
class Bound:
    """One account's bounds. spent: base units of 24 hours, and so far in the question."""

    max_per_day: int
    destinations: frozenset[bytes]
    spent: int

    def why_not(self, item: PayItem, amount: int) -> str | None:
        """The code of what is wrong with an item that adds `amount`; None: it is within them."""
        if self.destinations and item.to not in self.destinations:
            return "destination_not_allowed"
        return "account_day_exceeded" if self.spent + amount > self.max_per_day else None


def opened(rules: Iterable[AccountRule], reserved: int = 0) -> Mapping[str, Bound]:
    """Bounds by account. reserved: base units that may be signed for one of them beside."""
    return {
        each.account_id: Bound(each.max_per_day, frozenset(each.destinations), each.spent + reserved)
        for each in rules
    }


async def rules(
    conn: Connection, chain_id: int, vault: Address, token: Address, accounts: Iterable[str], now: datetime
) -> list[AccountRule]:
    """The bounds of those accounts that have some, as the signer's own rows say."""
    ruling = await signer_account_limits.current(conn, chain_id, vault, token, accounts)
    if not ruling:
        return []
    spent = await signer_account_limits.spent_since(conn, chain_id, vault, token, ruling, now - DAY)
    return [
        AccountRule(id, spent.get(id, 0), limits.max_per_day, tuple(sorted(limits.destinations)))
        for id, limits in ruling.items()
    ]
