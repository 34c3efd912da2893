"""Webhooks as receivers see them: event types, envelope, signature and the times of the attempts.

Signatures follow Standard Webhooks 1.0: any of its libraries verifies them with the secret as shown.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bascule.domain.retry import jittered

SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, not a secret
SECRET_BYTES = 32

# Seconds to wait before each of the ten attempts, the first at once; about 76 hours in all.
DELAYS_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
RETRY_AFTER_MAX_S = 86_400


class EventType(StrEnum):
    """The events we emit; facts, in the past tense where English has one."""

    INTENT_CREATED = "payment_intent.created"
    INTENT_REQUIRES_ACTION = "payment_intent.requires_action"
    INTENT_PARTIALLY_FUNDED = "payment_intent.partially_funded"
    INTENT_PROCESSING = "payment_intent.processing"
    INTENT_SUCCEEDED = "payment_intent.succeeded"
    INTENT_CANCELED = "payment_intent.canceled"
    INTENT_EXPIRED = "payment_intent.expired"
    INTENT_OVERPAID = "payment_intent.overpaid"
    INTENT_REORGED = "payment_intent.reorged"
    INTENT_REVERSED = "payment_intent.reversed"
    INTENT_HELD = "payment_intent.held"
    INTENT_RELEASED = "payment_intent.released"
    CHECKOUT_SESSION_COMPLETED = "checkout.session.completed"
    CHECKOUT_SESSION_EXPIRED = "checkout.session.expired"
    DEPOSIT_DETECTED = "deposit.detected"
    DEPOSIT_FINALIZED = "deposit.finalized"
    DEPOSIT_ORPHANED = "deposit.orphaned"
    DEPOSIT_APPLIED = "deposit.applied"
    DEPOSIT_UNAPPLIED = "deposit.unapplied"
    AUTHORIZATION_SETTLED = "authorization.settled"
    AUTHORIZATION_FAILED = "authorization.failed"
    PAYOUT_CREATED = "payout.created"
    PAYOUT_REQUIRES_ACTION = "payout.requires_action"
    PAYOUT_APPROVED = "payout.approved"
    PAYOUT_REJECTED = "payout.rejected"
    PAYOUT_UPDATED = "payout.updated"
    PAYOUT_IN_TRANSIT = "payout.in_transit"
    PAYOUT_REPLACED = "payout.replaced"
    PAYOUT_PAID = "payout.paid"
    PAYOUT_FAILED = "payout.failed"
    PAYOUT_CANCELED = "payout.canceled"
    PAYOUT_STUCK = "payout.stuck"
    BATCH_VALIDATED = "payout_batch.validated"
    BATCH_APPROVED = "payout_batch.approved"
    BATCH_CANCELED = "payout_batch.canceled"
    BATCH_COMPLETED = "payout_batch.completed"
    BATCH_COMPLETED_WITH_FAILURES = "payout_batch.completed_with_failures"
    MANDATE_CREATED = "mandate.created"
    MANDATE_APPROVED = "mandate.approved"
    MANDATE_REVOKED = "mandate.revoked"
    MANDATE_EXPIRED = "mandate.expired"
    REFUND_CREATED = "refund.created"
    REFUND_REQUIRES_ACTION = "refund.requires_action"
    REFUND_UPDATED = "refund.updated"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    REFUND_CANCELED = "refund.canceled"
    INVOICE_CREATED = "invoice.created"
    INVOICE_UPDATED = "invoice.updated"
    INVOICE_FINALIZED = "invoice.finalized"
    INVOICE_WILL_BE_DUE = "invoice.will_be_due"
    INVOICE_DUE = "invoice.due"
    INVOICE_OVERDUE = "invoice.overdue"
    INVOICE_PAID = "invoice.paid"
    INVOICE_VOIDED = "invoice.voided"
    INVOICE_MARKED_UNCOLLECTIBLE = "invoice.marked_uncollectible"
    DESTINATION_CREATED = "destination.created"
    DESTINATION_VERIFIED = "destination.verified"
    SCREENING_OPENED = "screening.opened"
    SCREENING_RELEASED = "screening.released"
    SCREENING_REJECTED = "screening.rejected"
    BALANCE_AVAILABLE = "balance.available"
    BALANCE_SETTINGS_UPDATED = "balance_settings.updated"
    SETTLEMENT_SCHEDULED = "settlement.scheduled"
    SETTLEMENT_UPDATED = "settlement.updated"
    SETTLEMENT_COMPLETED = "settlement.completed"
    SETTLEMENT_FAILED = "settlement.failed"
    SETTLEMENT_CANCELED = "settlement.canceled"
    REPORT_RUN_SUCCEEDED = "reporting.report_run.succeeded"
    REPORT_RUN_FAILED = "reporting.report_run.failed"
    RECONCILIATION_COMPLETED = "reconciliation.completed"
    RECONCILIATION_BREAK_OPENED = "reconciliation.break_opened"
    RECONCILIATION_BREAK_RESOLVED = "reconciliation.break_resolved"
    TOKEN_SUSPENDED = "token.suspended"  # noqa: S105 - an event, not a secret
    TOKEN_RESUMED = "token.resumed"  # noqa: S105
    NETWORK_DEGRADED = "network.degraded"
    NETWORK_RECOVERED = "network.recovered"
    NETWORK_REORG_DETECTED = "network.reorg_detected"
    SIGNER_REFUSED = "signer_refusal.created"
    FLOAT_LOW = "float.low"
    FLOAT_RECOVERED = "float.recovered"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    API_KEY_CREATED = "api_key.created"
    API_KEY_ROTATED = "api_key.rotated"
    API_KEY_REVOKED = "api_key.revoked"


def new_secret(entropy: bytes) -> str:
    """A signing secret, `whsec_` and base64. entropy: exactly 32 unpredictable bytes."""
    assert len(entropy) == SECRET_BYTES, f"{SECRET_BYTES} bytes of entropy, not {len(entropy)}"
    return SECRET_PREFIX + b64encode(entropy).decode()


def sign(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """One entry of `webhook-signature`. timestamp: unix seconds of this attempt, as sent beside it."""
    assert secret.startswith(SECRET_PREFIX), "a secret made by new_secret"
    key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    signed = b"%b.%d.%b" % (event_id.encode(), timestamp, body)
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()


def headers(secrets: Sequence[str], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks; during rotation one signature for each secret."""
    signatures = (sign(secret, event_id, timestamp, body) for secret in secrets)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def bascule_signature(secrets: Sequence[str], timestamp: int, body: bytes) -> str:
    """The header `Bascule-Signature`: `t=<seconds>,v1=<hex HMAC-SHA256 of t.body>`, a v1 for each secret.

    Stripe's scheme, with the secret's characters as the key: handlers written for it verify this one too.
    """
    signed = b"%d.%b" % (timestamp, body)
    signatures = (hmac.digest(secret.encode(), signed, "sha256").hex() for secret in secrets)
    return ",".join([f"t={timestamp}", *(f"v1={signature}" for signature in signatures)])


def delay_before(attempt: int, jitter: float = 0.0) -> timedelta | None:
    """How long the `attempt`-th attempt (from 1) waits for the one before; None after the last.

    jitter: from -1 to 1, moves the wait by up to 10 %.
    """
    assert attempt >= 1, "attempts count from 1"
    if attempt > len(DELAYS_S):
        return None
    return timedelta(seconds=jittered(DELAYS_S[attempt - 1], jitter))


def next_attempt_at(
    failed_at: datetime, attempts: int, jitter: float, retry_after_s: int | None = None
) -> datetime | None:
    """When to try again after `attempts` failed attempts; None when they are used up.

    retry_after_s: what the receiver asked for; it only ever makes the wait longer, up to a day.
    """
    delay = delay_before(attempts + 1, jitter)
    if delay is None:
        return None
    asked = timedelta(seconds=min(max(retry_after_s or 0, 0), RETRY_AFTER_MAX_S))
    return failed_at + max(delay, asked)


def envelope(
    *,
    api_version: str,
    event_id: str,
    event_type: EventType | str,
    created_at: datetime,
    livemode: bool,
    account: str,
    account_sequence: int,
    object_version: int,
    request: Mapping[str, Any] | None,
    data_object: Mapping[str, Any],
    previous_attributes: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The event as sent: a full snapshot of its object and what changed since the one before."""
    assert created_at.tzinfo is not None, "moments carry their time zone"
    return {
        "id": event_id,
        "object": "event",
        "type": str(event_type),
        "timestamp": created_at.isoformat().replace("+00:00", "Z"),
        "created": int(created_at.timestamp()),
        "livemode": livemode,
        "api_version": api_version,
        "account": account,
        "account_sequence": account_sequence,
        "object_version": object_version,
        "request": None if request is None else dict(request),
        "data": {
            "object": dict(data_object),
            "previous_attributes": None if previous_attributes is None else dict(previous_attributes),
        },
    }
