"""Webhook endpoints as merchants handle them; secrets are made here and shown once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bascule.domain import webhook
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType
from bascule.services.egress import EgressRules
from bascule.services.outbox import PING, Outbox
from bascule.services.seams import Clock, Entropy, new_id, new_ids
from bascule.storage import audit, deliveries, webhooks
from bascule.storage.database import Connection
from bascule.storage.deliveries import Attempt, Delivery, Exhausted, Replay
from bascule.storage.webhooks import Endpoint, Reason, State

OVERLAP_S = 24 * 3600
OVERLAP_MAX_S = 7 * 24 * 3600
REPLAYED_AT_ONCE = 10_000
EVENT_TYPES = frozenset({"*", *(str(type) for type in EventType)})


def describe(endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint as the API shows it, without its secret."""
    until, failing = endpoint.previous_expires_at, endpoint.failing_since
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "enabled_events": list(endpoint.enabled_events),
        "description": endpoint.description,
        "status": endpoint.state,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": None if failing is None else int(failing.timestamp()),
        "bascule_signature": endpoint.bascule_signature,
        "previous_secret_expires_at": None if until is None else int(until.timestamp()),
        "livemode": endpoint.livemode,
        "created": int(endpoint.created_at.timestamp()),
        "version": endpoint.version,
    }


def describe_delivery(delivery: Delivery, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """A delivery with its attempts as the API shows it."""
    over = delivery.state != "scheduled"
    return {
        "id": delivery.id,
        "object": "webhook_delivery",
        "webhook_endpoint": delivery.endpoint_id,
        "event": delivery.event_id,
        "event_type": delivery.event_type,
        "status": str(delivery.state),
        "replay": delivery.replay,
        "attempts": [
            {
                "number": attempt.n,
                "at": int(attempt.at.timestamp()),
                "response_status": attempt.status,
                "duration_ms": attempt.duration_ms,
                "error": attempt.error,
                "response": attempt.response,
            }
            for attempt in attempts
        ],
        "next_attempt_at": None if over else int(delivery.next_at.timestamp()),
        "delivered_at": None if delivery.delivered_at is None else int(delivery.delivered_at.timestamp()),
        "livemode": delivery.livemode,
        "created": int(delivery.created_at.timestamp()),
    }


async def disable(conn: Connection, endpoint_id: str, outbox: Outbox, *, reason: Reason) -> None:
    """Stops telling an endpoint, says so to the account's others and to the audit log; idempotent."""
    endpoint = await webhooks.advance(conn, endpoint_id, "enabled", "disabled", reason=reason)
    if endpoint is None:
        return
    shown = describe(endpoint)
    await outbox.append(
        conn,
        account_id=endpoint.account_id,
        livemode=endpoint.livemode,
        type=EventType.WEBHOOK_ENDPOINT_DISABLED,
        object_id=endpoint.id,
        object_version=endpoint.version,
        object=shown,
        previous={"status": "enabled", "disabled_reason": None},
    )
    await audit.append(
        conn,
        actor="process:worker",
        action="webhook_endpoint.disable",
        object_id=endpoint.id,
        details={"reason": reason},
    )


@dataclass(frozen=True)
class Webhooks:
    """Use-cases on the endpoints of one account; each runs in the caller's transaction."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox
    rules: EgressRules

    async def create(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        url: str,
        enabled_events: Sequence[str],
        description: str | None,
        bascule_signature: bool = False,
    ) -> dict[str, Any]:
        """A new endpoint with its secret, which is not shown again. Raises: Rejected."""
        self.rules.check(url, livemode=livemode)
        endpoint = await webhooks.insert(
            conn,
            id=new_id(Prefix.WEBHOOK_ENDPOINT, self.clock, self.entropy),
            account_id=account_id,
            livemode=livemode,
            url=url,
            enabled_events=_known(enabled_events),
            description=description,
            bascule_signature=bascule_signature,
            secret=self._secret(),
            created_at=self.clock.now(),
        )
        return describe(endpoint) | {"secret": endpoint.secret}

    async def update(
        self,
        conn: Connection,
        endpoint: Endpoint,
        *,
        url: str | None,
        enabled_events: Sequence[str] | None,
        description: str | None,
        disabled: bool | None,
        bascule_signature: bool | None = None,
    ) -> dict[str, Any]:
        """Changes what is given; `disabled=False` enables again and sends what waited. Raises: Rejected."""
        if url is not None:
            self.rules.check(url, livemode=endpoint.livemode)
        changed = await webhooks.change(
            conn,
            endpoint.id,
            url=endpoint.url if url is None else url,
            enabled_events=endpoint.enabled_events if enabled_events is None else _known(enabled_events),
            description=endpoint.description if description is None else description or None,
            bascule_signature=endpoint.bascule_signature if bascule_signature is None else bascule_signature,
        )
        to: State = "disabled" if disabled else "enabled"
        if disabled is not None and to != endpoint.state:
            reason: Reason | None = "requested" if disabled else None
            changed = await webhooks.advance(conn, endpoint.id, endpoint.state, to, reason=reason) or changed
        return describe(changed)

    async def remove(self, conn: Connection, endpoint: Endpoint) -> dict[str, Any]:
        """The endpoint is told nothing more and is not listed; its deliveries stay on record."""
        await webhooks.advance(conn, endpoint.id, endpoint.state, "deleted")
        return {"id": endpoint.id, "object": "webhook_endpoint", "deleted": True}

    async def rotate_secret(
        self, conn: Connection, endpoint: Endpoint, *, overlap_s: int = OVERLAP_S
    ) -> dict[str, Any]:
        """A new secret, shown once; the old one signs beside it for `overlap_s` seconds more."""
        until = self.clock.now() + timedelta(seconds=overlap_s)
        changed = await webhooks.rotate(conn, endpoint.id, secret=self._secret(), previous_expires_at=until)
        return describe(changed) | {"secret": changed.secret}

    async def ping(self, conn: Connection, endpoint: Endpoint) -> dict[str, Any]:
        """Tells the endpoint that it was asked for; the answer names the event to look for."""
        if endpoint.state != "enabled":
            raise _disabled()
        event_id = await self.outbox.append(
            conn,
            account_id=endpoint.account_id,
            livemode=endpoint.livemode,
            type=PING,
            object_id=endpoint.id,
            object_version=endpoint.version,
            object=describe(endpoint),
        )
        return {"id": endpoint.id, "object": "webhook_endpoint", "event": event_id}

    async def resend(self, conn: Connection, endpoint: Endpoint, delivery: Delivery) -> dict[str, Any]:
        """The same event once more, as a delivery of its own. endpoint: the delivery's, held."""
        [id] = await self._send_again(conn, endpoint, [delivery.event_id])
        [made] = await deliveries.get_many(conn, [id])
        return describe_delivery(made, [])

    async def replay(self, conn: Connection, endpoint: Endpoint, wanted: Replay) -> dict[str, Any]:
        """Sends events again, `REPLAYED_AT_ONCE` at most: those the endpoint hears and did not take.

        What waits for its next attempt is sent now. endpoint: held. The answer says how many, and the number
        of the last: go on after it. Raises: Conflict.
        """
        if endpoint.state != "enabled":
            raise _disabled()
        limit = REPLAYED_AT_ONCE
        found = await deliveries.replayable(conn, endpoint.id, wanted, limit + 1, ping=PING)
        again = found[:limit]
        waiting = [event.id for event in again if event.waits]
        if waiting:
            await deliveries.hasten(conn, endpoint.id, waiting, self.clock.now())
        left = set(waiting)
        await self._send_again(conn, endpoint, [event.id for event in again if event.id not in left])
        return {
            "id": endpoint.id,
            "object": "webhook_endpoint",
            "deliveries": len(again),
            "last_sequence": again[-1].account_sequence if again else None,
            "has_more": len(found) > limit,
        }

    async def redrive(self, conn: Connection, exhausted: Exhausted, *, actor: str) -> None:
        """Sends again what an endpoint did not take; a disabled one is enabled first. One line of audit."""
        endpoint = await webhooks.lock(conn, exhausted.endpoint_id)
        if endpoint is None or endpoint.state == "deleted":
            return
        if endpoint.state == "disabled":
            await webhooks.advance(conn, endpoint.id, "disabled", "enabled")
        await self._send_again(conn, endpoint, exhausted.event_ids)
        await audit.append(
            conn,
            actor=actor,
            action="webhook_endpoint.redrive",
            object_id=endpoint.id,
            details={"events": len(exhausted.event_ids), "was": endpoint.state},
        )

    async def _send_again(self, conn: Connection, endpoint: Endpoint, event_ids: Sequence[str]) -> list[str]:
        ids = new_ids(Prefix.DELIVERY, self.clock, self.entropy, len(event_ids))
        await deliveries.insert_replays(conn, endpoint.id, ids, event_ids, self.clock.now())
        return ids

    def _secret(self) -> str:
        return webhook.new_secret(self.entropy.bytes(webhook.SECRET_BYTES))


async def own(conn: Connection, id: str, account_id: str, livemode: bool, *, lock: bool = False) -> Endpoint:
    """The account's endpoint. Raises: NotFound when it is another's, deleted, or not there."""
    endpoint = await (webhooks.lock(conn, id) if lock else webhooks.get(conn, id))
    mine = endpoint is not None and (endpoint.account_id, endpoint.livemode) == (account_id, livemode)
    if endpoint is None or not mine or endpoint.state == "deleted":
        raise NotFound("resource_missing", f"No such webhook endpoint: {id!r:.70}.", param="id")
    return endpoint


def _disabled() -> Conflict:
    return Conflict("webhook_endpoint_disabled", "The endpoint is disabled; enable it first.")


def _known(enabled_events: Sequence[str]) -> list[str]:
    for place, name in enumerate(enabled_events):
        if name not in EVENT_TYPES:
            raise Rejected(
                "parameter_invalid", f"No such event type: {name!r:.70}.", param=f"enabled_events.{place}"
            )
    return sorted(set(enabled_events))
