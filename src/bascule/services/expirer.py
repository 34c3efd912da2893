"""What time ends: intents that were not paid, and mandates.

Block time judges: an intent closes only when every chain it accepts has been read past its `closes_at`, so a
payer who was in time is never turned away by a watcher that lags. `expired` is only said.
"""

from __future__ import annotations

from datetime import datetime

from bascule.domain.payment_intent import PAYMENT_INTENT, IntentEvent
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.intents import Intents
from bascule.services.mandates import Mandates
from bascule.services.seams import Clock
from bascule.storage import deadlines, mandates, payment_intents
from bascule.storage.database import Database

BATCH = 100
PASSED = 10_000  # deadlines that one statement passes


class Expirer:
    """Looks for what is overdue, and ends each in a transaction of its own."""

    name = "expirer"

    def __init__(
        self,
        db: Database,
        clock: Clock,
        intents: Intents,
        mandates: Mandates,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._db = db
        self._clock = clock
        self._intents = intents
        self._mandates = mandates
        self._failpoints = failpoints

    async def run_once(self) -> int:
        """How many things ended; 0 when nothing is overdue."""
        now = self._clock.now()
        await self._pass(now)
        async with self._db.read() as conn:
            to_expire = await deadlines.intents_to_expire(conn, now, limit=BATCH)
            to_close = await deadlines.intents_to_close(conn, now, limit=BATCH)
            to_end = await mandates.overdue(conn, now, limit=BATCH)
        done = 0
        for intent_id in to_expire:
            done += await self._expire(intent_id)
        for intent_id in to_close:
            done += await self._close(intent_id)
        for mandate_id in to_end:
            done += await self._end(mandate_id)
        return done

    async def _pass(self, now: datetime) -> None:
        async with self._db.transaction() as conn:
            passed = await payment_intents.pass_deadlines(conn, now, limit=PASSED)
            if passed:
                self._failpoints.hit("expirer.before_pass")
        if passed:
            self._failpoints.hit("expirer.after_pass")

    async def _expire(self, intent_id: str) -> bool:
        async with self._db.transaction() as conn:
            done = await self._intents.expire(conn, intent_id)
            self._failpoints.hit("expirer.before_expire")
        self._failpoints.hit("expirer.after_expire")
        return done

    async def _end(self, mandate_id: str) -> bool:
        async with self._db.transaction() as conn:
            done = await self._mandates.expire(conn, mandate_id)
            self._failpoints.hit("expirer.before_expire")
        self._failpoints.hit("expirer.after_expire")
        return done

    async def _close(self, intent_id: str) -> bool:
        """Asks again under the lock: a payment may have come in between."""
        async with self._db.transaction() as conn:
            intent = await payment_intents.lock(conn, intent_id)
            if intent is None or not PAYMENT_INTENT.may(intent.state, IntentEvent.CLOSE):
                return False
            if not await deadlines.may_close(conn, intent_id):
                return False
            await self._intents.close(conn, intent_id)
            self._failpoints.hit("expirer.before_close")
        self._failpoints.hit("expirer.after_close")
        return True
