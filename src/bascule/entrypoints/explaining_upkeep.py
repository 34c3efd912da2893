"""What is behind the money, from all sides: breaks, events and their deliveries, tokens, accounts."""

from __future__ import annotations

from typing import Any

from bascule.domain.breaks import BREAK, TYPES, BreakState
from bascule.domain.chain import caip2, checksum
from bascule.domain.delivery import DELIVERY, DeliveryState
from bascule.domain.errors import NotFound
from bascule.storage import accounts, breaks, overview, tokens
from bascule.storage.database import Connection
from bascule.storage.queries import Row


async def difference(conn: Connection, break_id: str) -> dict[str, Any]:
    """A break between chain and books."""
    row = await breaks.get(conn, break_id)
    if row is None:
        raise NotFound("resource_missing", f"No such object: {break_id}.", next_step="copy the id whole")
    kind = TYPES[row.type]
    return {
        "object": f"break {break_id}",
        "state": f"{row.state}: {BREAK.sentences[row.state]}",
        "about": f"{row.type} of {row.subject}: {kind.means}",
        "owner": kind.owner.value,
        "freezes": row.freezes and row.state is BreakState.OPEN,
        "evidence": row.evidence,
        "resolution": row.resolution,
        "next": "nothing: this is its end" if row.state is BreakState.RESOLVED else kind.fix,
    }


async def event(conn: Connection, event_id: str) -> dict[str, Any]:
    """An event: what it told, and which endpoints have it."""
    row = _there(await overview.event(conn, event_id), event_id)
    sent = await overview.deliveries_of(conn, event_id)
    left = [each["id"] for each in sent if each["state"] != DeliveryState.DELIVERED]
    return {
        "object": f"event {event_id}",
        "state": f"{row['type']}, number {row['account_sequence']} of {row['account_id']}"
        if row["account_sequence"] is not None
        else f"{row['type']}, not numbered yet",
        "about": row["object_id"],
        "deliveries": {each["id"]: each["state"] for each in sent},
        "next": f"bascule explain {left[0]}"
        if left
        else "nothing: it is told"
        if row["account_sequence"] is not None
        else "the worker numbers and sends it",
    }


async def delivery(conn: Connection, delivery_id: str) -> dict[str, Any]:
    """An event on its way to an endpoint."""
    row = _there(await overview.delivery(conn, delivery_id), delivery_id)
    state = DeliveryState(row["state"])
    endpoint = row["endpoint_id"]
    waits = {
        DeliveryState.SCHEDULED: f"the next attempt, at {row['next_at'].isoformat()}",
        DeliveryState.EXHAUSTED: f"its receiver is mended, then POST .../deliveries/{delivery_id}/resend",
    }
    return {
        "object": f"delivery {delivery_id}",
        "state": f"{state}: {DELIVERY.sentences[state]}",
        "event": row["event_id"],
        "endpoint": endpoint,
        "attempts": row["attempts"],
        "answered": row["last_status"] or row["last_error"],
        "next": waits.get(state, "nothing: this is its end"),
    }


async def endpoint(conn: Connection, endpoint_id: str) -> dict[str, Any]:
    """A webhook endpoint: whether it hears, and what waits for it."""
    row = _there(await overview.endpoint(conn, endpoint_id), endpoint_id)
    waits = {
        "enabled": "nothing: it hears",
        "disabled": f"its receiver is mended, then disabled=false: POST /v1/webhook_endpoints/{endpoint_id}",
        "deleted": "nothing: this is its end",
    }
    return {
        "object": f"webhook endpoint {endpoint_id}",
        "state": row["state"],
        "url": row["url"],
        "of": row["account_id"],
        "deliveries": {"scheduled": row["scheduled"], "exhausted": row["exhausted"]},
        "next": waits[row["state"]],
    }


async def token(conn: Connection, token_id: str) -> dict[str, Any]:
    """A token: whether it is taken and paid out."""
    row = await tokens.get(conn, token_id)
    if row is None:
        raise NotFound("resource_missing", f"No such token: {token_id}.", next_step="bascule tokens list")
    state = "accepted" if row.accepted else "not accepted"
    return {
        "object": f"token {token_id}",
        "state": f"suspended: {row.suspended}" if row.suspended else state,
        "network": caip2(row.chain_id),
        "contract": checksum(row.contract),
        "currency": f"{row.currency}, {row.decimals} decimals",
        "next": "an operator looks at the token, then: bascule tokens resume"
        if row.suspended
        else "nothing: it is neither stopped nor waited for",
    }


async def account(conn: Connection, account_id: str) -> dict[str, Any]:
    """An account: whose it is, and what of it waits for people."""
    row = await accounts.get(conn, account_id)
    if row is None:
        raise NotFound("resource_missing", f"No such account: {account_id}.", next_step="copy the id whole")
    waiting = await overview.waiting_for_people(conn, account_id)
    return {
        "object": f"account {account_id}",
        "state": f"{row.kind}: {row.name}",
        "payouts_waiting": waiting,
        "next": f"approvals are missing: bascule explain {waiting[0]}"
        if waiting
        else "nothing waits for people",
    }


def _there(row: Row | None, id: str) -> Row:
    if row is None:
        raise NotFound("resource_missing", f"No such object: {id}.", next_step="copy the id whole")
    return row
