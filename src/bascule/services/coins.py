"""Native coin at deposit addresses: no log tells of it, so balances at final blocks do.

A few addresses at a time, the whole round of them again and again: it costs one batch of questions per
`EVERY`, however many addresses there are, and finds what calls inside transactions sent, too. What is found
is a deposit of a coin nobody accepts: unbooked, with a reason.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bascule.chain import erc20
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.evidence import Tellers
from bascule.domain.chain import ZERO_ADDRESS, Address, BlockRef, ChainId
from bascule.services.seams import Clock, Entropy
from bascule.storage import deposits, transfers
from bascule.storage.database import Connection, Database

_log = structlog.get_logger()
EVERY = timedelta(seconds=15)
AT_ONCE = 500  # addresses


@dataclass(frozen=True, slots=True)
class Moved:
    """An address whose balance is not what is known to lie there. Both in wei."""

    address: Address
    known: int
    held: int


@dataclass
class Coins:
    """Looks at the addresses of one chain in turn, beginning anywhere: restarts skip nobody for ever."""

    db: Database
    rpc: Caller
    chain_id: ChainId
    clock: Clock
    entropy: Entropy
    counters: Counter[str]
    _after: Address = field(init=False)
    _due: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._after = Address(self.entropy.bytes(20))
        self._due = self.clock.now() + EVERY

    async def moved(self, height: int) -> list[Moved]:
        """The next addresses whose balance at the end of a final block differs, as two answers say.

        Nothing while the last look is not `EVERY` ago, or where no node has that block's state any more.
        Raises as the chain's reads do; the next look is then at the same addresses.
        """
        now = self.clock.now()
        if now < self._due:
            return []
        self._due = now + EVERY
        async with self.db.read() as conn:
            known = await deposits.coin_at(conn, self.chain_id, self._after, AT_ONCE)
            if not known:
                known = await deposits.coin_at(conn, self.chain_id, ZERO_ADDRESS, AT_ONCE)
        if not known:
            return []
        told, against = Tellers(), Tellers()
        try:
            found = await self._differing(self.rpc.noting(told), known, height)
            another = self.rpc.other(than=told, only=True).noting(against)
            again = await self._differing(another, {at: known[at] for at in found}, height)
        except RpcError as error:
            if error.says is not NodeSays.UNKNOWN_BLOCK:
                raise
            self.counters["coins_unchecked"] += len(known)
            _log.warning("coin not looked for", chain_id=self.chain_id, block=height, why=str(error))
            return []
        self._after = next(reversed(known))
        agreed = [Moved(at, known[at], held) for at, held in found.items() if again.get(at) == held]
        if disputed := len(found) - len(agreed):
            self.counters["coins_disputed"] += disputed
            self.rpc.disputed(told, against, f"coin at {disputed} addresses at block {height}")
        return agreed

    async def record(self, conn: Connection, moved: list[Moved], block: BlockRef) -> int:
        """Stores what came, and what is gone, at the end of a block that is final; how many came.

        Less than is known: a forwarder was flushed, so all of that is gone and what lies there came since.
        """
        gone = [each.address for each in moved if each.held < each.known]
        arrived = {
            each.address: each.held if each.held < each.known else each.held - each.known for each in moved
        }
        arrived = {address: amount for address, amount in arrived.items() if amount}
        if gone:
            await deposits.mark_coin_gone(conn, self.chain_id, block.number, gone)
        if arrived:
            await transfers.record_coin(conn, self.chain_id, block, arrived)
        self.counters["coins_found"] += len(arrived)
        return len(arrived)

    async def _differing(self, rpc: Caller, known: dict[Address, int], height: int) -> dict[Address, int]:
        if not known:
            return {}
        held = await erc20.balances(rpc, [(ZERO_ADDRESS, address) for address in known], height)
        return {at: now for (at, was), now in zip(known.items(), held, strict=True) if now != was}
