"""How long a lane's wallet can pay for gas, told by the lane itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bascule.chain import erc20, heads
from bascule.chain.caller import Caller
from bascule.domain.chain import ZERO_ADDRESS, Address, ChainId
from bascule.domain.errors import Retryable
from bascule.services.failpoints import Failpoints
from bascule.services.seams import Clock
from bascule.storage import gas, leases
from bascule.storage.database import Database
from bascule.storage.leases import Lease

log = structlog.get_logger()

EVERY = timedelta(seconds=15)


@dataclass
class WalletWatch:
    """Tells how one wallet stands. full_cost: wei of one full transaction of its lane at the ceiling."""

    db: Database
    rpc: Caller
    clock: Clock
    full_cost: int
    failpoints: Failpoints
    _told: datetime | None = field(default=None, init=False)

    async def look(self, wallet: Address, chain_id: ChainId, lease: Lease) -> None:
        """The balance at the chain's head, at most every `EVERY`; a silent node delays it.

        Not at the newest block we read: while the watcher catches up, coin that came since would be missing.
        """
        now = self.clock.now()
        if self._told is not None and now - self._told < EVERY:
            return
        try:
            height = (await heads.latest(self.rpc)).number
            [balance] = await erc20.balances(self.rpc, [(ZERO_ADDRESS, wallet)], height)
        except Retryable as error:
            log.warning("wallet not looked at", wallet=wallet.hex(), why=str(error))
            return
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            await gas.see(
                conn, chain_id, wallet,
                balance=balance, block_number=height, full_cost=self.full_cost, now=now,
            )  # fmt: skip
            self.failpoints.hit("submitter.before_wallet")
        self.failpoints.hit("submitter.after_wallet")
        self._told = now
