"""A payment intent as the API, the events and the checkout show it: one shape, made from rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from bascule.domain.chain import Hash, caip2, checksum, hex32
from bascule.domain.early import on_network, read_level
from bascule.domain.errors import NotFound
from bascule.domain.finality import confirmations_required
from bascule.domain.money import SCALE, display_units
from bascule.domain.payment_intent import IntentState
from bascule.storage import networks, payment_intents, tokens, whole_intents
from bascule.storage.database import Connection
from bascule.storage.networks import Network
from bascule.storage.payment_intents import BoundAddress, DepositAddress, IntentRow
from bascule.storage.tokens import Token
from bascule.storage.whole_intents import Arrived

PaidAt = DepositAddress | BoundAddress


@dataclass(frozen=True, slots=True)
class Catalog:
    """The networks and tokens we know, by id."""

    networks: dict[int, Network]
    tokens: dict[str, Token]


# by connection, which is of one database: what was read, and the word for what that was
_read: WeakKeyDictionary[Connection, tuple[str, Catalog]] = WeakKeyDictionary()


async def catalog(conn: Connection, word: str | None = None) -> Catalog:
    """Everything we know of networks and tokens now; read anew only where it changed since.

    word: what `networks.known` says, where another statement said it.
    """
    if word is None:
        word = await networks.known(conn)
    found = _read.get(conn)
    if found is None or found[0] != word:
        found = _read[conn] = word, await _catalog(conn)
    return found[1]


async def _catalog(conn: Connection) -> Catalog:
    return Catalog(
        {network.chain_id: network for network in await networks.every(conn)},
        {token.id: token for token in await tokens.every(conn)},
    )


async def describe(conn: Connection, intent_id: str) -> dict[str, Any]:
    """The intent as the API shows it. Raises: NotFound."""
    for _, shown in await look(conn, [intent_id]):
        return shown
    raise NotFound("resource_missing", f"No such payment intent: {intent_id!r:.70}.", param="id")


async def describe_many(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Those of `ids` that exist as the API shows them, in their order."""
    return [shown for _, shown in await look(conn, ids)]


async def look(conn: Connection, ids: Sequence[str]) -> list[tuple[IntentRow, dict[str, Any]]]:
    """Those of `ids` that exist, in their order, as stored and as the API shows them: of one moment."""
    found = await whole_intents.get_many(conn, ids)
    if not found:
        return []
    known = await catalog(conn, found[0].known)
    return [(each.row, show(each.row, known, each.addresses, each.deposits)) for each in found]


async def show_rows(
    conn: Connection, rows: Sequence[IntentRow], arrived: Mapping[str, Sequence[Arrived]], known: Catalog
) -> list[dict[str, Any]]:
    """The intents as the API shows them, in the order given.

    arrived: by intent id, all deposits at its addresses, oldest block first.
    """
    waiting = [row.id for row in rows if row.state is IntentState.REQUIRES_ACTION]
    addresses: dict[str, list[DepositAddress]] = defaultdict(list)
    for address in await payment_intents.addresses_of(conn, waiting) if waiting else ():
        addresses[address.intent_id].append(address)
    return [show(row, known, addresses[row.id], arrived.get(row.id, ())) for row in rows]


def show(
    row: IntentRow, known: Catalog, addresses: Sequence[PaidAt], deposits: Sequence[Arrived] = ()
) -> dict[str, Any]:
    """The intent as the API shows it. addresses: all it has, by chain id; deposits: at them, oldest first."""
    accepted = [known.tokens[id] for id in row.accepted_tokens]
    waiting = row.state is IntentState.REQUIRES_ACTION
    return {
        "id": row.id,
        "object": "payment_intent",
        "amount": _display(row.due),
        "currency": row.currency,
        "quote": row.quote_id,
        "invoice": row.invoice_id,
        "amount_received": _display(row.received),
        "amount_confirmed": _display(row.confirmed),
        "amount_remaining": _display(_remaining(row)),
        "amount_overpaid": _display(max(0, row.received - row.due)),
        "amount_refunded": _display(row.refunded),
        "status": str(row.state),
        "flags": list(row.flags),
        "accepted": [{"network": caip2(token.chain_id), "token": token.id} for token in accepted],
        "next_action": _next_action(row, known, addresses, accepted) if waiting else None,
        "expires_at": int(row.expires_at.timestamp()),
        "closes_at": int(row.closes_at.timestamp()),
        "policy": {
            "underpay_tolerance_bps": row.underpay_tolerance_bps,
            "underpay_tolerance_abs": _display(row.underpay_tolerance_abs),
            "late": row.late_policy,
            "overpay": row.overpay_policy,
            "finality": row.finality,
        },
        "client_reference_id": row.client_reference_id,
        "description": row.description,
        "metadata": row.metadata,
        "client_secret": row.client_secret,
        "cancellation_reason": row.cancellation_reason,
        "evidence": {
            "transactions": [
                {"network": caip2(d.chain_id), "hash": hex32(Hash(d.tx_hash)), "deposit": d.id}
                for d in deposits
                if d.applied
            ]
        },
        "latest_deposit": deposits[-1].id if deposits else None,
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
        "canceled_at": None if row.canceled_at is None else int(row.canceled_at.timestamp()),
        "succeeded_at": None if row.succeeded_at is None else int(row.succeeded_at.timestamp()),
        "succeeded_by": row.succeeded_by,
        "version": row.version,
    }


def _next_action(
    row: IntentRow, known: Catalog, addresses: Sequence[PaidAt], accepted: Sequence[Token]
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    payable = {token.chain_id for token in accepted}
    level = read_level(row.finality, "finality")
    for address in (each for each in addresses if each.chain_id in payable):
        network = known.networks[address.chain_id]
        decides = on_network(level, network.finality)
        shown[caip2(address.chain_id)] = {
            "address": checksum(address.address),
            "network_name": network.name,
            "finality": decides.kind,
            "confirmations_required": confirmations_required(decides),
            "supported_tokens": [
                _payable(row, token, address) for token in accepted if token.chain_id == address.chain_id
            ],
        }
    return {"type": "display_deposit_details", "display_deposit_details": {"deposit_addresses": shown}}


def _payable(row: IntentRow, token: Token, address: PaidAt) -> dict[str, Any]:
    """What is still to be sent in this token; a rest it cannot express is rounded up to its next unit."""
    unit = 10 ** (SCALE - token.decimals)
    atomic = -(-_remaining(row) // unit)
    return {
        "token": token.id,
        "currency": token.currency,
        "contract": checksum(token.contract),
        "decimals": token.decimals,
        "amount": _display(atomic * unit),
        "amount_atomic": str(atomic),
        "eip681_uri": (
            f"ethereum:{checksum(token.contract)}@{token.chain_id}/transfer"
            f"?address={checksum(address.address)}&uint256={atomic}"
        ),
    }


def _remaining(row: IntentRow) -> int:
    return max(0, row.due - row.received)


def _display(units: int) -> str:
    return display_units(units, SCALE)
