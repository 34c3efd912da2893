"""How the float of a vault stands, told by the vault's lanes: to all by rows, to treasury by an event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bascule.chain import erc20
from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Retryable
from bascule.domain.webhook import EventType
from bascule.services.failpoints import Failpoints
from bascule.services.float_view import describe
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock
from bascule.storage import accounts, blocks, floats, leases, networks, tokens
from bascule.storage.database import Connection, Database
from bascule.storage.floats import Float, Limit
from bascule.storage.lanes import Lane
from bascule.storage.leases import Lease
from bascule.storage.tokens import Token

log = structlog.get_logger()

EVERY = timedelta(seconds=15)


@dataclass
class FloatWatch:
    """Looks at one lane's vault."""

    db: Database
    rpc: Caller
    clock: Clock
    outbox: Outbox
    failpoints: Failpoints
    _looked: datetime | None = field(default=None, init=False)

    async def look(self, lane: Lane, lease: Lease) -> None:
        """Limits and balances of the accepted tokens, at most every `EVERY`; a silent node delays it."""
        now = self.clock.now()
        if self._looked is not None and now - self._looked < EVERY:
            return
        async with self.db.read() as conn:
            every = [t for t in await tokens.every(conn) if t.chain_id == lane.chain_id and t.accepted]
            cursor = await blocks.cursor(conn, lane.chain_id)
            several = await floats.several_vaults(conn, lane.chain_id)
        assert cursor is not None, "a lane works on a chain that is read"
        height = cursor.finalized_number
        try:
            limits = [await self._limit(lane.vault, token) for token in every]
            held: list[int] = []
            if several:
                pairs = [(Address(token.contract), lane.vault) for token in every]
                held = await erc20.balances(self.rpc, pairs, height)
        except Retryable as error:
            log.warning("float not looked at", vault=checksum(lane.vault), why=str(error))
            return
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            for place, (token, limit) in enumerate(zip(every, limits, strict=True)):
                await floats.see(
                    conn, lane.chain_id, lane.vault, token.id,
                    balance=held[place] if several else None, block_number=height, limit=limit, at=now,
                )  # fmt: skip
            for seen in await floats.every(conn, now):
                if (seen.chain_id, seen.vault) == (lane.chain_id, lane.vault):
                    if seen.standing.low:
                        await floats.propose(conn, lane.chain_id, lane.vault, seen.token_id, now)
                    await self._tell(conn, seen)
            self.failpoints.hit("submitter.before_float")
        self.failpoints.hit("submitter.after_float")
        self._looked = now

    async def _limit(self, vault: Address, token: Token) -> Limit:
        amount, window_s = await vault_calls.limit(self.rpc, vault, Address(token.contract))
        return Limit(
            amount, window_s, await vault_calls.available(self.rpc, vault, Address(token.contract))
        )  # fmt: skip

    async def _tell(self, conn: Connection, seen: Float) -> None:
        """An event to the operator when the float became low, or is not any more."""
        version = await floats.say_low(conn, seen)
        operator = await accounts.operator(conn) if version is not None else None
        network = await networks.get(conn, seen.chain_id)
        if version is None or operator is None or network is None:
            return
        shown = describe(seen, livemode=network.livemode)
        low = seen.standing.low
        log.warning("float is low" if low else "float is not low any more", float=shown["id"])
        await self.outbox.append(
            conn,
            account_id=operator.id,
            livemode=network.livemode,
            type=EventType.FLOAT_LOW if low else EventType.FLOAT_RECOVERED,
            object_id=shown["id"],
            object_version=version,
            object=shown,
            previous={"low": not low},
        )
