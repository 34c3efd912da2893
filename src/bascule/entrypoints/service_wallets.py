"""Wallets of lanes that pay nobody, each named as its lane: rows of the bridge and of the signer.

No process may write the latter; the owner's login does.
"""

from __future__ import annotations

from typing import Literal

from bascule.chain import nonces
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict, Retryable
from bascule.storage import addresses, lanes, signer_wallets
from bascule.storage.database import Connection

Name = Literal[
    "sweeper", "canceller"
]  # those whose key has settings of its own; those of the others are lanes' keys
Lane = Name | Literal["gas", "anchor", "x402"]


async def first_nonce(rpc: Caller, wallet: Address) -> int:
    """The first nonce of a wallet that is ours to give. Raises: Retryable while transactions of it wait."""
    mined, with_waiting = [await nonces.count(rpc, wallet, tag) for tag in ("latest", "pending")]
    if with_waiting != mined:
        raise Retryable(
            f"{with_waiting - mined} transactions of {checksum(wallet)} are not mined yet,"
            " and its lane would take their nonces"
        )
    return mined


async def register(
    conn: Connection, chain_id: int, wallet: Address, *, name: Lane, next_nonce: int = 0
) -> bool:
    """The lane CHAIN/name has this wallet, which signs for nothing else; False when it had it before.

    next_nonce: as the chain says; what a known wallet gave away stays given.
    Raises: Conflict, and nothing is to be committed.
    """
    known = await lanes.service_wallet(conn, chain_id, name)
    if known is not None and known.address != wallet:
        raise Conflict(
            f"{name}_known",
            f"the {name} of chain {chain_id} is {checksum(known.address)}, not {checksum(wallet)}",
            next_step="give the signer the key of the one that is registered, or end that one first:"
            f" bascule restore check --end {chain_id}/{name}",
        )
    if known is None:
        await _require_free(conn, chain_id, wallet, name)
    await addresses.add_own(conn, chain_id, wallet, "wallet")
    await lanes.add_wallet(conn, chain_id, wallet, name=name, next_nonce=next_nonce)
    await signer_wallets.add(conn, chain_id, wallet, role=name, first_nonce=next_nonce)
    return known is None


async def _require_free(conn: Connection, chain_id: int, wallet: Address, name: Lane) -> None:
    """The wallet is nothing else of ours."""
    own = (await addresses.own(conn, chain_id)).get(wallet)
    signs = await signer_wallets.lock(conn, chain_id, wallet)
    if own not in (None, "wallet"):
        what = f"our {own}"
    elif own is None and await addresses.is_ours(conn, chain_id, wallet):
        what = "a deposit address or a token"
    elif await lanes.wallet_at(conn, chain_id, wallet) or (signs is not None and signs.role != name):
        what = "the wallet of another lane"
    else:
        return
    raise Conflict(
        "wallet_in_use",
        f"{checksum(wallet)} is {what} on chain {chain_id}",
        next_step=f"the {name} needs a wallet of its own",
    )
