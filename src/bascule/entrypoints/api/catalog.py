"""/v1/balance, /v1/tokens, /v1/networks: what there is."""

from __future__ import annotations

from typing import Any

from bascule.domain.chain import caip2, checksum
from bascule.domain.finality import confirmations_required
from bascule.entrypoints.api import lists, objects
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Nothing, Paged, TokenList
from bascule.entrypoints.api.shape import ListOf
from bascule.services import balances
from bascule.storage import networks, tokens
from bascule.storage.database import Connection
from bascule.storage.networks import Network


async def balance(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """What the account has."""
    return await balances.describe(conn, call.account_id, call.livemode)


async def list_tokens(call: Call[TokenList], conn: Connection) -> dict[str, Any]:
    """The tokens of the caller's mode, by network and currency."""
    mine = {network.chain_id for network in await _networks(call, conn)}
    asked = await lists.chain_of(conn, call.params.network)
    data = [
        {
            "id": token.id,
            "object": "token",
            "network": caip2(token.chain_id),
            "contract": checksum(token.contract),
            "currency": token.currency,
            "name": token.name,
            "decimals": token.decimals,
            "accepted": token.accepted,
            "offered": token.offered,
            "suspended": token.suspended,
            "livemode": call.livemode,
        }
        for token in await tokens.every(conn)
        if token.chain_id in mine
        and asked in (None, token.chain_id)
        and call.params.currency in (None, token.currency)
    ]
    return lists.part(call, data)


async def list_networks(call: Call[Paged], conn: Connection) -> dict[str, Any]:
    """The networks of the caller's mode."""
    data = [_shown(network) for network in await _networks(call, conn)]
    return lists.part(call, data)


async def _networks(call: Call[Any], conn: Connection) -> list[Network]:
    return [network for network in await networks.every(conn) if network.livemode == call.livemode]


def _shown(network: Network) -> dict[str, Any]:
    return {
        "id": caip2(network.chain_id),
        "object": "network",
        "name": network.name,
        "chain_id": network.chain_id,
        "finality": network.finality.kind,
        "confirmations_required": confirmations_required(network.finality),
        "vault": None if network.vault is None else checksum(network.vault),
        "deposit_factory": None if network.deposit_factory is None else checksum(network.deposit_factory),
        "explorer_url": network.explorer_url or None,
        "livemode": network.livemode,
    }


OPERATIONS = (
    Operation(
        "GET", "/v1/balance", "get_balance", "Read the balance", "balance:read", balance, Nothing,
        objects.Balance,
    ),
    Operation(
        "GET", "/v1/tokens", "list_tokens", "List tokens", "tokens:read", list_tokens, TokenList,
        ListOf[objects.Token],
    ),
    Operation(
        "GET", "/v1/networks", "list_networks", "List networks", "networks:read", list_networks, Paged,
        ListOf[objects.Network],
    ),
)  # fmt: skip
