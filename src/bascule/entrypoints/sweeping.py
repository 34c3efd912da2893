"""Making a wallet the sweeper of a chain: ours, of the lane CHAIN/sweeper, signed for within hard limits.

Two authorities get rows: the bridge (own address, wallet of the lane) and the signer's own schema (wallet in
that role, limits by factory and token). No process may write the latter; the owner's login does.
"""

from __future__ import annotations

from collections.abc import Sequence

from bascule.domain import flush
from bascule.domain.chain import Address, checksum
from bascule.entrypoints import service_wallets
from bascule.storage import audit, signer_flush_limits
from bascule.storage.database import Connection
from bascule.storage.signer_flush_limits import FlushLimits

# What a rollup may count for the data of a full call, as gas; what is not used is not paid.
DATA_GAS = 2_000_000


def hard_limits(max_fee_per_gas: int, max_addresses: int = flush.ADDRESSES_MAX) -> FlushLimits:
    """What the signer allows of one call; its gas follows from its addresses. max_fee_per_gas: wei."""
    return FlushLimits(max_fee_per_gas, flush.gas_limit(max_addresses) + DATA_GAS, max_addresses)


async def register(
    conn: Connection,
    chain_id: int,
    wallet: Address,
    *,
    factory: Address,
    tokens: Sequence[Address],
    limits: FlushLimits,
    next_nonce: int = 0,
) -> list[Address]:
    """The wallet flushes the factory's addresses of these tokens; returns those whose limits are new.

    conn: under the owner's login. Again is harmless; other limits become a new version, which rules from the
    next question on. next_nonce: as the chain says; what a known wallet gave away stays given.
    Raises: Conflict, and nothing is to be committed.
    """
    new = await service_wallets.register(conn, chain_id, wallet, name=flush.LANE, next_nonce=next_nonce)
    changed = []
    for token in tokens:
        if await signer_flush_limits.current(conn, chain_id, factory, token) != limits:
            await signer_flush_limits.set(conn, chain_id, factory=factory, token=token, limits=limits)
            changed.append(token)
    if new or changed:
        told = {
            "wallet": checksum(wallet),
            "factory": checksum(factory),
            "max_fee_per_gas": str(limits.max_fee_per_gas),
            "max_addresses": limits.max_addresses,
            "tokens": [checksum(token) for token in changed],
        }
        name = str(chain_id)
        await audit.append(conn, actor="cli", action="sweeper.register", object_id=name, details=told)
    return changed
