"""The signer's hard limits, changed while money is on its way."""

from __future__ import annotations

from bascule.domain.chain import Address, parse_address
from bascule.storage import signer_limits
from bascule.storage.signer_limits import HardLimits
from tests.support.money_out import LIMIT, Treasury


async def limit_items(stage: Treasury, most: int, day: int = 5 * LIMIT) -> None:
    """From now on at most so much for a payout, and so much a day."""
    async with stage.owner.transaction() as conn:
        await signer_limits.set(
            conn,
            stage.network.chain_id,
            vault=parse_address(stage.vault),
            token=Address(stage.token.contract),
            limits=HardLimits(most, day, 1_000 * 10**9, 16_000_000),
        )
