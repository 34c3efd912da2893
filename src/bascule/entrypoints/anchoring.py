"""Making a wallet the anchor's of a chain: ours, of the lane CHAIN/anchor, signed for at a bounded price.

Two authorities get rows, as for the sweeper; no process may write the signer's, the owner's login does.
"""

from __future__ import annotations

from bascule.domain import anchor
from bascule.domain.chain import Address, checksum
from bascule.entrypoints import service_wallets
from bascule.storage import audit, signer_anchors
from bascule.storage.database import Connection
from bascule.storage.signer_limits import FeeLimits

# What a rollup may count for the data of an anchor, as gas; what is not used is not paid.
DATA_GAS = 1_000_000


def hard_limits(max_fee_per_gas: int) -> FeeLimits:
    """What the signer allows of one anchor. max_fee_per_gas: wei."""
    return FeeLimits(max_fee_per_gas, anchor.GAS + DATA_GAS)


async def register(
    conn: Connection, chain_id: int, wallet: Address, *, limits: FeeLimits, next_nonce: int
) -> bool:
    """The wallet anchors heads on the chain; False when that stood before, with the same limits.

    conn: under the owner's login. Raises: as `service_wallets.register`.
    """
    new = await service_wallets.register(conn, chain_id, wallet, name=anchor.LANE, next_nonce=next_nonce)
    if not new and await signer_anchors.current(conn, chain_id, wallet) == limits:
        return False
    await signer_anchors.set(conn, chain_id, wallet, limits)
    told = {"wallet": checksum(wallet), "max_fee_per_gas": str(limits.max_fee_per_gas)}
    await audit.append(
        conn, actor="cli", action="anchor.register", object_id=str(chain_id), details=told
    )  # fmt: skip
    return True
