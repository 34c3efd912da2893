"""Facts for policy: what an account may pay out of a token, and what it has asked for today."""

from __future__ import annotations

from datetime import datetime, timedelta

from bascule.domain.policy import Decision
from bascule.domain.policy import decide as decide_on_facts
from bascule.storage import payouts, policies
from bascule.storage.database import Connection

DAY = timedelta(hours=24)


async def decide(conn: Connection, *, account_id: str, token_id: str, amount: int, now: datetime) -> Decision:
    """What policy says of one more payout of `amount` base units; without a policy everything is denied.

    Until the transaction ends no other request of the account is counted, so that both cannot fit alone.
    """
    policy = await policies.current(conn, account_id, token_id)
    if policy is None:
        return Decision("deny", 1, "no_policy", ("No policy allows this account to pay out this token.",))
    await payouts.serialize_spending(conn, account_id, token_id)
    spent = await payouts.spent_since(conn, account_id, token_id, now - DAY)
    return decide_on_facts(amount, spent, policy.limits)
