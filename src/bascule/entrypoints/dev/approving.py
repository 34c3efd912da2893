"""Who approves in a development installation: the same people for the operator and for the demo merchant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bascule.domain.chain import Address
from bascule.domain.money import TokenAmount
from bascule.domain.policy import Rules, Tier
from bascule.entrypoints.dev import ground
from bascule.storage import approvals, policies, signer_rosters
from bascule.storage.database import Connection
from bascule.storage.tokens import Token

APPROVALS_REQUIRED = 2
MAX_PER_PAYOUT = 100_000 * ground.UNIT
MAX_PER_DAY = 1_000_000 * ground.UNIT


async def register(
    conn: Connection, account: str, people: Sequence[Address], token: Token, *, policy_id: str, now: datetime
) -> None:
    """The account may pay out of every token with two people's approvals; repeatable."""
    for number, approver in enumerate(people, 1):
        await approvals.add_approver(conn, account, approver, roster_version=1, name=f"Approver {number}")
    if account not in await signer_rosters.current(conn, [account]):
        await signer_rosters.add(
            conn, account, version=1, threshold=APPROVALS_REQUIRED, members=people
        )  # fmt: skip
    if await policies.current(conn, account, False, token.id) is None:
        await policies.add(
            conn,
            id=policy_id,
            account_id=account,
            livemode=False,
            token_id=None,
            rules=Rules(
                (Tier(0, APPROVALS_REQUIRED),),
                max_per_payout=TokenAmount(MAX_PER_PAYOUT, token.asset).to_money().units,
                max_per_day=TokenAmount(MAX_PER_DAY, token.asset).to_money().units,
            ),
            created_by="process:dev",
            created_at=now,
        )
