"""Sends deliveries that are due: at least once each, with the same id and the same bytes every time.

A delivery is leased, sent outside any transaction, and its attempt is written afterwards. A crash in between
means that the lease runs out and the receiver gets the same `webhook-id` again: a duplicate, never a
loss. Endpoints do not wait for each other: sends stay in flight between calls of `run_once`, a few each.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

from bascule.domain import webhook
from bascule.domain.delivery import DELIVERY, DeliveryEvent, DeliveryState
from bascule.domain.spread import SECONDS, Spread
from bascule.services import webhooks as endpoints
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.http_sender import TIMEOUT_S, Answer
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, Entropy
from bascule.storage import deliveries
from bascule.storage.database import Connection, Database
from bascule.storage.deliveries import Attempt, Claimed

LEASE_S = TIMEOUT_S + 10.0
IN_FLIGHT = 64
PER_ENDPOINT = 4
PATIENCE_S = 0.2
SHOWN_RESPONSE = 1_024
GIVE_UP_AFTER = timedelta(days=5)
USER_AGENT = "Bascule-Webhooks/1"
# How an attempt may end: taken, answered otherwise, or not answered at all.
RESULTS = DELIVERED, REFUSED, UNREACHABLE = "delivered", "refused", "unreachable"


Headers = Mapping[str, str]


class Sender(Protocol):
    """Posts a body; never raises for what the receiver does."""

    async def post(self, url: str, body: bytes, headers: Headers, *, livemode: bool) -> Answer: ...


@dataclass
class Dispatcher:
    """Leases due deliveries and sends them concurrently.

    attempts: how those that ended did, by RESULTS; durations: how many seconds they took.
    """

    db: Database
    clock: Clock
    entropy: Entropy
    outbox: Outbox
    sender: Sender
    failpoints: Failpoints = NO_FAILPOINTS
    lease_s: float = LEASE_S
    name: str = "dispatcher"
    attempts: Counter[str] = field(default_factory=Counter)
    durations: Spread = field(default_factory=lambda: Spread(SECONDS))
    _flying: dict[asyncio.Task[None], str] = field(default_factory=dict)

    async def run_once(self) -> int:
        """How many attempts ended since the last call; 0 while some are in flight: call again soon."""
        await self._take_off()
        if not self._flying:
            return 0
        await asyncio.wait(self._flying, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        return self._land()

    @property
    def in_flight(self) -> int:
        """How many sends have not ended."""
        return len(self._flying)

    async def drain(self) -> int:
        """Sends all that is due and waits for every answer; how many attempts were made."""
        done = 0
        while True:
            ended = await self.run_once()
            done += ended
            if not ended and not self._flying:
                return done

    async def close(self) -> None:
        """Drops what is in flight, as a crash would: it is sent again when its lease has run out."""
        for task in self._flying:
            task.cancel()
        await asyncio.gather(*self._flying, return_exceptions=True)
        self._flying.clear()

    async def _take_off(self) -> None:
        room = IN_FLIGHT - len(self._flying)
        if room <= 0:
            return
        async with self.db.transaction() as conn:
            claimed = await deliveries.claim(
                conn,
                now=self.clock.now(),
                limit=room,
                per_endpoint=PER_ENDPOINT,
                flying=Counter(self._flying.values()),
                lease_s=self.lease_s,
            )
            if claimed:
                self.failpoints.hit("dispatcher.before_claim")
        if claimed:
            self.failpoints.hit("dispatcher.after_claim")
        for delivery in claimed:
            self._flying[asyncio.create_task(self._send(delivery))] = delivery.endpoint_id

    def _land(self) -> int:
        ended = [task for task in self._flying if task.done()]
        for task in ended:
            del self._flying[task]
        for task in ended:
            task.result()
        return len(ended)

    async def _send(self, delivery: Claimed) -> None:
        sent_at = self.clock.now()
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **webhook.headers(
                _secrets(delivery, sent_at), delivery.event_id, int(sent_at.timestamp()), delivery.body
            ),
        }
        self.failpoints.hit("dispatcher.before_send")
        answer = await self.sender.post(delivery.url, delivery.body, headers, livemode=delivery.livemode)
        self.failpoints.hit("dispatcher.after_send")
        attempt = Attempt(
            delivery_id=delivery.id,
            n=delivery.attempts + 1,
            at=sent_at,
            status=answer.status,
            duration_ms=answer.duration_ms,
            error=_error(answer),
            response=_shown(answer.body),
        )
        async with self.db.transaction() as conn:
            await self._settle(conn, delivery, attempt, answer)
            self.failpoints.hit("dispatcher.before_settle")
        self.failpoints.hit("dispatcher.after_settle")
        self.attempts[_result(attempt)] += 1
        self.durations.add(answer.duration_ms / 1_000)

    async def _settle(self, conn: Connection, delivery: Claimed, attempt: Attempt, answer: Answer) -> None:
        await deliveries.record_attempt(conn, attempt)
        scheduled = DeliveryState.SCHEDULED
        if attempt.error is None:
            to = DELIVERY.step(scheduled, DeliveryEvent.DELIVER)
            await deliveries.advance(conn, delivery, attempt, scheduled, to)
            return
        now = self.clock.now()
        gone = answer.status == 410
        retry_after = _retry_after(answer.retry_after, now)
        next_at = webhook.next_attempt_at(now, attempt.n, self._jitter(), retry_after)
        if next_at is not None and not gone:
            await deliveries.reschedule(conn, delivery, attempt, next_at)
            return
        to = DELIVERY.step(scheduled, DeliveryEvent.EXHAUST)
        await deliveries.advance(conn, delivery, attempt, scheduled, to)
        if gone or await deliveries.only_failing_since(conn, delivery.endpoint_id, now - GIVE_UP_AFTER):
            reason = "gone" if gone else "failing"
            await endpoints.disable(conn, delivery.endpoint_id, self.outbox, reason=reason)

    def _jitter(self) -> float:
        return int.from_bytes(self.entropy.bytes(4), "big") / 2**31 - 1.0


def _result(attempt: Attempt) -> str:
    if attempt.error is None:
        return DELIVERED
    return UNREACHABLE if attempt.status is None else REFUSED


def _secrets(delivery: Claimed, now: datetime) -> list[str]:
    previous, until = delivery.previous_secret, delivery.previous_expires_at
    both = previous is not None and until is not None and now < until
    return [delivery.secret, previous] if both and previous is not None else [delivery.secret]


def _error(answer: Answer) -> str | None:
    if answer.status is None:
        return answer.error or "no answer"
    return None if 200 <= answer.status < 300 else f"the receiver answered {answer.status}"


def _shown(body: bytes) -> str | None:
    text = body[:SHOWN_RESPONSE].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return text or None


def _retry_after(header: str | None, now: datetime) -> int | None:
    """Seconds, from a number of them or an HTTP date (RFC 9110 §10.2.3); None when it says nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), webhook.RETRY_AFTER_MAX_S)
    try:
        return max(0, int((parsedate_to_datetime(text) - now).total_seconds()))
    except (TypeError, ValueError):
        return None
