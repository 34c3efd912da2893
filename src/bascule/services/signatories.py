"""Who may approve a payout: of the account's roster those whom the policy names, without who asked for it."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.domain.chain import Address
from bascule.domain.policy import Rules
from bascule.storage import approvals, policies
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow


async def may_sign(
    conn: Connection, payout: PayoutRow, *, roster_version: int | None = None
) -> frozenset[Address]:
    """The addresses whose approval counts for this payout in its round, or in one of another roster."""
    policy = None if payout.policy_id is None else await policies.get(conn, payout.policy_id)
    rules = None if policy is None else policy.rules
    roster = payout.roster_version if roster_version is None else roster_version
    return await signatories(conn, payout.account_id, roster, rules, payout.maker)


async def may_sign_each(conn: Connection, rows: Sequence[PayoutRow]) -> dict[str, frozenset[Address]]:
    """The same for several payouts by id, asked once for all that were asked for alike."""
    alike = {(row.account_id, row.policy_id, row.roster_version, row.maker): row for row in rows}
    known = {key: await may_sign(conn, row) for key, row in alike.items()}
    return {row.id: known[row.account_id, row.policy_id, row.roster_version, row.maker] for row in rows}


async def signatories(
    conn: Connection, account_id: str, roster_version: int, rules: Rules | None, maker: Address | None
) -> frozenset[Address]:
    """The same before there is a payout. rules: None where a payout is older than policies are data."""
    roster = frozenset(await approvals.roster(conn, account_id, roster_version))
    named = roster & rules.approvers if rules is not None and rules.approvers else roster
    return named - {maker}
