"""The shapes of answers about what was told: events, webhook endpoints and deliveries."""

from __future__ import annotations

from typing import Any, Literal

from bascule.entrypoints.api.shape import Seconds, Shape


class EventData(Shape):
    """A full snapshot of the object, and what changed since the one before."""

    object: dict[str, Any]
    previous_attributes: dict[str, Any] | None


class EventRequest(Shape):
    """The request that caused the event."""

    id: str | None
    idempotency_key: str | None


class Event(Shape):
    """Something that happened; exactly what webhooks carry."""

    id: str
    object: Literal["event"]
    type: str
    timestamp: str
    created: Seconds
    livemode: bool
    api_version: str
    account: str
    account_sequence: int
    object_version: int
    request: EventRequest | None
    data: EventData


class WebhookEndpoint(Shape):
    """Where events are sent."""

    id: str
    object: Literal["webhook_endpoint"]
    url: str
    enabled_events: list[str]
    description: str | None
    status: Literal["enabled", "disabled"]
    disabled_reason: Literal["requested", "gone", "failing"] | None
    failing_since: Seconds | None
    bascule_signature: bool
    previous_secret_expires_at: Seconds | None
    livemode: bool
    created: Seconds
    version: int


class WebhookEndpointWithSecret(WebhookEndpoint):
    """An endpoint with its signing secret, which is shown this once."""

    secret: str


class DeletedWebhookEndpoint(Shape):
    """The endpoint is told nothing more."""

    id: str
    object: Literal["webhook_endpoint"]
    deleted: Literal[True]


class Ping(Shape):
    """The event that the endpoint will be sent."""

    id: str
    object: Literal["webhook_endpoint"]
    event: str


class Replayed(Shape):
    """How many events the endpoint will be sent again; if there are more, go on after `last_sequence`."""

    id: str
    object: Literal["webhook_endpoint"]
    deliveries: int
    last_sequence: int | None
    has_more: bool


class DeliveryAttempt(Shape):
    """One attempt and what it met."""

    number: int
    at: Seconds
    response_status: int | None
    duration_ms: int
    error: str | None
    response: str | None


class WebhookDelivery(Shape):
    """One event on its way to one endpoint."""

    id: str
    object: Literal["webhook_delivery"]
    webhook_endpoint: str
    event: str
    event_type: str
    status: Literal["scheduled", "delivered", "exhausted"]
    replay: int
    attempts: list[DeliveryAttempt]
    next_attempt_at: Seconds | None
    delivered_at: Seconds | None
    livemode: bool
    created: Seconds
