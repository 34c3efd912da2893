"""Making a wallet the sweeper of a chain: ours, of the lane CHAIN/sweeper, signed for within hard limits.

Two authorities get rows: the bridge (own address, wallet of the lane) and the signer's own schema (wallet in
that role, limits by factory and token). No process may write the latter; the owner's login does.
"""

from __future__ import annotations

from collections.abc import Sequence

from bascule.chain import nonces
from bascule.chain.caller import Caller
from bascule.domain import flush
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict, Retryable
from bascule.storage import addresses, audit, lanes, signer_flush_limits, signer_wallets
from bascule.storage.database import Connection
from bascule.storage.signer_flush_limits import FlushLimits


def hard_limits(max_fee_per_gas: int, max_addresses: int = flush.ADDRESSES_MAX) -> FlushLimits:
    """What the signer allows of one call; its gas follows from its addresses. max_fee_per_gas: wei."""
    return FlushLimits(max_fee_per_gas, flush.gas_limit(max_addresses), max_addresses)


async def first_nonce(rpc: Caller, wallet: Address) -> int:
    """The first nonce of a wallet that is ours to give. Raises: Retryable while transactions of it wait."""
    mined, with_waiting = [await nonces.count(rpc, wallet, tag) for tag in ("latest", "pending")]
    if with_waiting != mined:
        raise Retryable(
            f"{with_waiting - mined} transactions of {checksum(wallet)} are not mined yet,"
            " and the sweeper would take their nonces"
        )
    return mined


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
    known = await lanes.service_wallet(conn, chain_id, flush.LANE)
    if known is not None and known.address != wallet:
        raise Conflict(
            "sweeper_known",
            f"the sweeper of chain {chain_id} is {checksum(known.address)}, not {checksum(wallet)}",
            next_step="it never changes; give the signer the key of the one that is registered",
        )
    if known is None:
        await _require_free(conn, chain_id, wallet)
    await addresses.add_own(conn, chain_id, wallet, "wallet")
    await lanes.add_wallet(conn, chain_id, wallet, name=flush.LANE, next_nonce=next_nonce)
    await signer_wallets.add(conn, chain_id, wallet, role="sweeper")
    changed = []
    for token in tokens:
        if await signer_flush_limits.current(conn, chain_id, factory, token) != limits:
            await signer_flush_limits.set(conn, chain_id, factory=factory, token=token, limits=limits)
            changed.append(token)
    if known is None or changed:
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


async def _require_free(conn: Connection, chain_id: int, wallet: Address) -> None:
    """The wallet is nothing else of ours."""
    own = (await addresses.own(conn, chain_id)).get(wallet)
    signs = await signer_wallets.lock(conn, chain_id, wallet)
    if own not in (None, "wallet"):
        what = f"our {own}"
    elif own is None and await addresses.is_ours(conn, chain_id, wallet):
        what = "a deposit address or a token"
    elif await lanes.wallet_at(conn, chain_id, wallet) or (signs is not None and signs.role != "sweeper"):
        what = "the wallet of another lane"
    else:
        return
    raise Conflict(
        "wallet_in_use",
        f"{checksum(wallet)} is {what} on chain {chain_id}",
        next_step="the sweeper needs a wallet of its own",
    )
