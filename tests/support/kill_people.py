"""The merchant beside the treasury whose workers are killed; it has approvers too, to give money back."""

from __future__ import annotations

from bascule.domain.chain import parse_address
from bascule.services import api_keys
from bascule.services.seams import SystemEntropy
from bascule.storage import accounts, approvals, signer_rosters
from tests.support.api import PEPPER
from tests.support.money_out import LIMIT, Treasury, approver
from tests.support.money_out_setup import set_policy


async def people(stage: Treasury) -> tuple[str, dict[str, str]]:
    """The merchant's account, and a secret key each of merchant and treasury."""
    keys = {}
    approvers = [parse_address(approver(number).address) for number in (1, 2, 3)]
    async with stage.owner.transaction() as conn:
        merchant = await accounts.create(
            conn, id="acct_merchant", kind="merchant", name="Shop", created_at=stage.clock.now()
        )
        for person in approvers:
            await approvals.add_approver(conn, merchant.id, person, roster_version=1)
        await signer_rosters.add(conn, merchant.id, version=1, threshold=2, members=approvers)
        await set_policy(conn, merchant.id, stage.token, max_per_payout=LIMIT, max_per_day=5 * LIMIT)
        for who, account in (("merchant", merchant.id), ("treasury", stage.operator)):
            issued = await api_keys.issue(
                conn, account_id=account, livemode=False, kind="sk", pepper=PEPPER,
                clock=stage.clock, entropy=SystemEntropy(),
            )  # fmt: skip
            keys[who] = issued.secret
    return merchant.id, keys
