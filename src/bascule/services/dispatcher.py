"""Sends deliveries that are due: at least once each, with the same id and the same bytes every time.

A delivery is leased, sent outside any transaction, and its attempt is written afterwards, many in one
transaction. A crash in between means that the lease runs out and the receiver gets the same `webhook-id`
again: a duplicate, never a loss. Endpoints do not wait for each other: sends stay in flight between calls of
`run_once`, as many as `Flights` lets begin.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

import structlog

from bascule.domain import webhook
from bascule.domain.delivery import DELIVERY, DeliveryEvent, DeliveryState
from bascule.domain.errors import Retryable
from bascule.domain.spread import SECONDS, Spread
from bascule.services import webhooks as endpoints
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.flights import PER_ENDPOINT, Flights
from bascule.services.http_sender import TIMEOUT_S, Answer
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, Entropy
from bascule.storage import deliveries, webhooks
from bascule.storage.database import Connection, Database
from bascule.storage.deliveries import Attempt, Claimed

log = structlog.get_logger()

LEASE_S = TIMEOUT_S + 10.0
PATIENCE_S = 0.1
GATHER_S = 0.1  # answers that come one after the other are written together
LOOK_RESTS = 4  # times as long as it took, after a look that found less than there is room for
LONGEST_REST_S = 0.5
SETTLED_AT_ONCE = 500
UNWRITTEN_MAX = 2 * SETTLED_AT_ONCE  # outcomes: while there are more, nothing is sent
SHOWN_RESPONSE = 1_024
GIVE_UP_AFTER = timedelta(days=5)
USER_AGENT = "Bascule-Webhooks/1"
GONE = 410
# How an attempt may end: taken, answered otherwise, or not answered at all.
RESULTS = DELIVERED, REFUSED, UNREACHABLE = "delivered", "refused", "unreachable"


Headers = Mapping[str, str]


class Sender(Protocol):
    """Posts a body; never raises for what the receiver does."""

    async def post(self, url: str, body: bytes, headers: Headers, *, livemode: bool) -> Answer: ...


class Landed(NamedTuple):
    """A send that has ended and is not written yet. answered_at: by the clock."""

    delivery: Claimed
    attempt: Attempt
    answer: Answer
    answered_at: datetime


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
    flights: Flights = field(default_factory=Flights)
    name: str = "dispatcher"
    attempts: Counter[str] = field(default_factory=Counter)
    durations: Spread = field(default_factory=lambda: Spread(SECONDS))
    _landed: list[Landed] = field(default_factory=list)
    _failed: list[BaseException] = field(default_factory=list)
    _looking: asyncio.Task[None] | None = None
    _look_from: float = 0.0  # by the loop's clock
    _after: str = ""
    _more: bool = False  # the last look found as much as there was room for
    _grounded: bool = True  # nothing takes off until the next call
    _wanted: int = 1
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def run_once(self) -> int:
        """How many attempts ended since the last call; 0 while some are in flight: call again soon."""
        self._grounded = False
        try:
            await self._take_off()
            if not self.in_flight and not self._failed:
                return 0
            await self._wait(PATIENCE_S, 1)
            if self._landed:
                await self._wait(GATHER_S, min(SETTLED_AT_ONCE, self.flights.quick_lane // 2))
            self._raise_failed()
            return await self._settle_landed()
        except BaseException:
            self._grounded = True
            raise

    @property
    def in_flight(self) -> int:
        """How many sends have not ended, or have and are not written."""
        return len(self.flights) + len(self._landed)

    async def drain(self) -> int:
        """Sends all that is due and waits for every answer; how many attempts were made."""
        done = 0
        while True:
            ended = await self.run_once()
            done += ended
            if not ended and not self.in_flight:
                return done

    async def close(self) -> None:
        """Drops what is in flight, as a crash would: it is sent again when its lease has run out."""
        self._grounded = True
        looking = [] if self._looking is None else [self._looking]
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        sends = [*self.flights.quick, *self.flights.slow]
        for send in sends:
            send.cancel()
        await asyncio.gather(*sends, return_exceptions=True)

    async def stop(self) -> None:
        """Writes how sends ended that are not written yet, and drops those in flight."""
        await self.close()
        try:
            while self._landed:
                await self._settle_landed()
        except Retryable as error:
            log.warning("what webhooks met is not written", sent_again=len(self._landed), reason=str(error))
        self._raise_failed()

    async def _take_off(self) -> None:
        """Begins a look at what is due; waits for it only where there is nothing else to do."""
        if self.in_flight:
            self._look_out(1)
            return
        if self._looking is not None:  # it passed by endpoints that had a send in flight, and now have none
            await asyncio.wait([self._looking])
        if not self.in_flight and not self._failed:
            await asyncio.sleep(max(0.0, self._look_from - asyncio.get_running_loop().time()))
            self._look_from = 0.0
            self._look_out(1)
        while self._looking is not None and not self.in_flight:
            await asyncio.wait([self._looking])
            if self._more and not self._failed:
                self._look_out(1)  # one that ended with the last endpoint goes on with the first

    def _look_out(self, least: int) -> None:
        """Looks for what is due, unless that is done already, or there is no room for so many."""
        now = asyncio.get_running_loop().time()
        if self._grounded or self._looking is not None or now < self._look_from:
            return
        free = self.flights.free(now)
        if len(self._landed) < UNWRITTEN_MAX and (free.quick >= least or (free.slow and least == 1)):
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        room = self.flights.room(began := loop.time())
        after, now = self._after, self.clock.now()
        async with self.db.transaction() as conn:
            claimed, goes_on_after = await deliveries.claim(
                conn, now=now, after=after, per_endpoint=PER_ENDPOINT, lease_s=self.lease_s, **room._asdict()
            )
            if claimed:
                self.failpoints.hit("dispatcher.before_claim")
        if claimed:
            self.failpoints.hit("dispatcher.after_claim")
        ended = loop.time()
        self.flights.turned(room, {delivery.endpoint_id for delivery in claimed})
        if room.quick:
            self._after = goes_on_after
        self._more = bool(after) or len(claimed) >= max(1, room.quick)
        if not self._more:
            self._look_from = ended + min(LONGEST_REST_S, LOOK_RESTS * (ended - began))
        for delivery in claimed:
            send = asyncio.create_task(self._send(delivery))
            self.flights.begin(send, delivery.endpoint_id, ended)
            send.add_done_callback(self._land)

    def _looked(self, look: asyncio.Task[None]) -> None:
        self._looking = None
        if not look.cancelled() and (error := look.exception()) is not None:
            self._failed.append(error)
            self._news.set()

    def _land(self, send: asyncio.Task[Landed]) -> None:
        self.flights.end(send, asyncio.get_running_loop().time())
        if send.cancelled():
            return
        error = send.exception()
        if error is None:
            self._landed.append(send.result())
        else:
            self._failed.append(error)
        if self._heard():
            self._news.set()
        if self._more:
            self._look_out(max(1, self.flights.quick_lane // 4))

    def _heard(self) -> bool:
        if self._failed or not self.flights:
            return True
        return len(self._landed) >= (self._wanted if self.flights.quick else 1)  # the slow are not waited for

    async def _wait(self, seconds: float, wanted: int) -> None:
        """Until so many sends have ended that are not written, or all have, or one cannot go on."""
        self._wanted = wanted
        if self._heard():
            return
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def _send(self, delivery: Claimed) -> Landed:
        sent_at = self.clock.now()
        self.failpoints.hit("dispatcher.before_send")
        answer = await self.sender.post(
            delivery.url, delivery.body, _headers(delivery, sent_at), livemode=delivery.livemode
        )
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
        return Landed(delivery, attempt, answer, self.clock.now())

    async def _settle_landed(self) -> int:
        landed = self._landed[:SETTLED_AT_ONCE]
        if not landed:
            return 0
        async with self.db.transaction() as conn:
            await self._settle(conn, landed)
            self.failpoints.hit("dispatcher.before_settle")
        self.failpoints.hit("dispatcher.after_settle")
        del self._landed[: len(landed)]
        for each in landed:
            self.attempts[_result(each.attempt)] += 1
            self.durations.add(each.attempt.duration_ms / 1_000)
        return len(landed)

    def _raise_failed(self) -> None:
        if self._failed:
            raise self._failed.pop()

    async def _settle(self, conn: Connection, landed: Sequence[Landed]) -> None:
        await deliveries.record_attempts(conn, [each.attempt for each in landed])
        taken = [(each.delivery, each.attempt) for each in landed if each.attempt.error is None]
        failed = [each for each in landed if each.attempt.error is not None]
        scheduled = DeliveryState.SCHEDULED
        await deliveries.advance(conn, taken, scheduled, DELIVERY.step(scheduled, DeliveryEvent.DELIVER))
        if failed:
            next_ats = [(each, self._next_at(each)) for each in failed]
            again = [(each, at) for each, at in next_ats if at is not None]
            over = [(each.delivery, each.attempt) for each, at in next_ats if at is None]
            made = [(each.delivery, each.attempt) for each, _ in again]
            await deliveries.reschedule(conn, made, [at for _, at in again])
            await deliveries.advance(conn, over, scheduled, DELIVERY.step(scheduled, DeliveryEvent.EXHAUST))
            await self._give_up(conn, failed)
        if taken:
            await webhooks.note_working(conn, sorted({delivery.endpoint_id for delivery, _ in taken}))

    async def _give_up(self, conn: Connection, failed: Sequence[Landed]) -> None:
        """Disables endpoints that are gone, or that have done nothing but fail for five days."""
        gone = {each.delivery.endpoint_id for each in failed if each.answer.status == GONE}
        moments = [(each.delivery.endpoint_id, each.attempt.at) for each in failed]
        failing = await webhooks.note_failing(conn, moments, self.clock.now() - GIVE_UP_AFTER)
        for endpoint_id in sorted({*gone, *failing}):
            reason: webhooks.Reason = "gone" if endpoint_id in gone else "failing"
            await endpoints.disable(conn, endpoint_id, self.outbox, reason=reason)

    def _next_at(self, landed: Landed) -> datetime | None:
        if landed.answer.status == GONE:
            return None
        asked = _retry_after(landed.answer.retry_after, landed.answered_at)
        return webhook.next_attempt_at(landed.answered_at, landed.attempt.n, self._jitter(), asked)

    def _jitter(self) -> float:
        return int.from_bytes(self.entropy.bytes(4), "big") / 2**31 - 1.0


def _headers(delivery: Claimed, now: datetime) -> dict[str, str]:
    secrets, at = _secrets(delivery, now), int(now.timestamp())
    found = {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        **webhook.headers(secrets, delivery.event_id, at, delivery.body),
    }
    if delivery.bascule_signature:
        found["bascule-signature"] = webhook.bascule_signature(secrets, at, delivery.body)
    return found


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
    except (TypeError, ValueError, OverflowError):  # what is no date, or no date that there can be
        return None
