"""/v1/webhook_endpoints: where events are sent, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bascule.domain.errors import NotFound, Rejected
from bascule.entrypoints.api import lists, told_objects
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    DeliveryList,
    Expandable,
    Nothing,
    RotateSecret,
    WebhookEndpointCreate,
    WebhookEndpointList,
    WebhookEndpointUpdate,
    WebhookReplay,
)
from bascule.entrypoints.api.shape import ListOf
from bascule.services import webhooks
from bascule.storage import deliveries
from bascule.storage import webhooks as endpoints
from bascule.storage.database import Connection
from bascule.storage.deliveries import Replay
from bascule.storage.listing import DELIVERIES, WEBHOOK_ENDPOINTS
from bascule.storage.webhooks import Endpoint


async def create(call: Call[WebhookEndpointCreate], conn: Connection) -> dict[str, Any]:
    """A new endpoint; its secret is in this answer alone."""
    return await call.deps.webhooks.create(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        url=call.params.url,
        enabled_events=call.params.enabled_events,
        description=call.params.description,
        bascule_signature=call.params.bascule_signature,
    )


async def list_all(call: Call[WebhookEndpointList], conn: Connection) -> dict[str, Any]:
    """The caller's endpoints."""
    lists.expanding(call.params, frozenset())
    filters = lists.exact(WEBHOOK_ENDPOINTS, state=call.params.status)
    filters.append(WEBHOOK_ENDPOINTS.c.state != "deleted")
    return await lists.answer(call, conn, WEBHOOK_ENDPOINTS, _describe, filters=filters)


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One endpoint."""
    lists.expanding(call.params, frozenset())
    return webhooks.describe(await _own(call, conn))


async def update(call: Call[WebhookEndpointUpdate], conn: Connection) -> dict[str, Any]:
    """Changes what is given."""
    params = call.params
    return await call.deps.webhooks.update(
        conn,
        await _own(call, conn, lock=True),
        url=params.url,
        enabled_events=params.enabled_events,
        description=params.description,
        disabled=params.disabled,
        bascule_signature=params.bascule_signature,
    )


async def remove(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """The endpoint is told nothing more."""
    return await call.deps.webhooks.remove(conn, await _own(call, conn, lock=True))


async def rotate_secret(call: Call[RotateSecret], conn: Connection) -> dict[str, Any]:
    """A new secret; the old one signs beside it for a while."""
    return await call.deps.webhooks.rotate_secret(
        conn, await _own(call, conn, lock=True), overlap_s=call.params.overlap
    )


async def ping(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Sends the endpoint an event of its own."""
    return await call.deps.webhooks.ping(conn, await _own(call, conn))


async def list_deliveries(call: Call[DeliveryList], conn: Connection) -> dict[str, Any]:
    """What was sent to an endpoint, and what came of it."""
    lists.expanding(call.params, frozenset())
    endpoint = await _own(call, conn)
    return await lists.answer(
        call,
        conn,
        DELIVERIES,
        _describe_deliveries,
        scope=[DELIVERIES.c.endpoint_id == endpoint.id],
        filters=lists.exact(DELIVERIES, state=call.params.status, event_id=call.params.event),
    )


async def resend(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Sends an event once more."""
    endpoint = await _own(call, conn, lock=True)
    id = call.id("dlv", "delivery")
    found = await deliveries.get_many(conn, [id])
    if not found or found[0].endpoint_id != endpoint.id:
        raise NotFound("resource_missing", f"No such delivery: {id!r:.70}.", param="delivery")
    return await call.deps.webhooks.resend(conn, endpoint, found[0])


async def replay(call: Call[WebhookReplay], conn: Connection) -> dict[str, Any]:
    """Sends the events of a range again, to catch up after the endpoint was down."""
    params = call.params
    if params.after_sequence is None and params.since is None:
        raise Rejected(
            "parameter_missing",
            "Say from where: after_sequence or since.",
            param="after_sequence",
            next_step="after_sequence=0 replays everything the endpoint did not take.",
        )
    wanted = Replay(
        after=params.after_sequence or 0,
        until=params.until_sequence,
        since=_moment(params.since),
        before=_moment(params.until),
        delivered_too=params.include_delivered,
    )
    return await call.deps.webhooks.replay(conn, await _own(call, conn, lock=True), wanted)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


async def _own(call: Call[Any], conn: Connection, *, lock: bool = False) -> Endpoint:
    return await webhooks.own(conn, call.id("we"), call.account_id, call.livemode, lock=lock)


async def _describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    return [webhooks.describe(endpoint) for endpoint in await endpoints.get_many(conn, ids)]


async def _describe_deliveries(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    attempts = await deliveries.attempts_of(conn, ids)
    return [
        webhooks.describe_delivery(delivery, [a for a in attempts if a.delivery_id == delivery.id])
        for delivery in await deliveries.get_many(conn, ids)
    ]


_PATH = "/v1/webhook_endpoints"
_ONE = f"{_PATH}/{{id}}"
_READ, _WRITE = "webhook_endpoints:read", "webhook_endpoints:write"
_EXAMPLE = {"url": "https://merchant.example/hooks", "enabled_events": ["payment_intent.succeeded"]}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_webhook_endpoint", "Hear of events", _WRITE, create, WebhookEndpointCreate,
        told_objects.WebhookEndpointWithSecret, "optional", example=_EXAMPLE,
    ),
    Operation(
        "GET", _PATH, "list_webhook_endpoints", "List endpoints", _READ, list_all, WebhookEndpointList,
        ListOf[told_objects.WebhookEndpoint],
    ),
    Operation(
        "GET", _ONE, "get_webhook_endpoint", "Read an endpoint", _READ, retrieve, Expandable,
        told_objects.WebhookEndpoint,
    ),
    Operation(
        "POST", _ONE, "update_webhook_endpoint", "Change, disable or enable an endpoint", _WRITE, update,
        WebhookEndpointUpdate, told_objects.WebhookEndpoint, "optional", example={"disabled": True},
    ),
    Operation(
        "DELETE", _ONE, "delete_webhook_endpoint", "Delete an endpoint", _WRITE, remove, Nothing,
        told_objects.DeletedWebhookEndpoint,
    ),
    Operation(
        "POST", f"{_ONE}/rotate_secret", "rotate_webhook_secret", "Make a new secret", _WRITE, rotate_secret,
        RotateSecret, told_objects.WebhookEndpointWithSecret, "optional", example={"overlap": 86400},
    ),
    Operation(
        "POST", f"{_ONE}/ping", "ping_webhook_endpoint", "Send a test event", _WRITE, ping, Nothing,
        told_objects.Ping, "optional", conflicts=True,
    ),
    Operation(
        "GET", f"{_ONE}/deliveries", "list_webhook_deliveries", "List deliveries", _READ, list_deliveries,
        DeliveryList, ListOf[told_objects.WebhookDelivery],
    ),
    Operation(
        "POST", f"{_ONE}/deliveries/{{delivery}}/resend", "resend_webhook_delivery", "Send an event again",
        _WRITE, resend, Nothing, told_objects.WebhookDelivery, "optional",
    ),
    Operation(
        "POST", f"{_ONE}/replay", "replay_webhook_events", "Send the events of a range again", _WRITE, replay,
        WebhookReplay, told_objects.Replayed, "optional", conflicts=True, example={"after_sequence": 0},
    ),
)  # fmt: skip
