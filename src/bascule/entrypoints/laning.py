"""Opening a lane of a vault: one wallet, one slot sequence, one signer's key; payouts spread over open lanes.

The vault's owner has made the wallet the lane's operator before (`setLane`). The bridge's rows and the
signer's own schema get the wallet; no process may write the latter, the owner's login does.
"""

from __future__ import annotations

from collections.abc import Sequence

from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.domain.chain import ZERO_HASH, Address, checksum
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.storage import addresses, audit, lanes, signer_wallets
from bascule.storage.database import Connection


def name_of(lane: int) -> str:
    """What a vault's lane is called in `bascule submitter --lane CHAIN/NAME`."""
    return f"vault-{lane}"


def split(lanes: Sequence[str]) -> tuple[str, list[str]]:
    """The chain, as it was written, and the names of `CHAIN/NAME`, each once. Raises: Rejected."""
    pairs = [lane.partition("/") for lane in lanes]
    for lane, (_, _, name) in zip(lanes, pairs, strict=True):
        if not name:
            raise Rejected(
                "lane_invalid", f"{lane} is not a lane", next_step="write CHAIN/NAME, e.g. base/vault-0"
            )
    chains = {chain for chain, _, _ in pairs}
    if len(chains) != 1:
        raise Rejected(
            "lane_invalid",
            f"{', '.join(lanes)} are not lanes of one chain",
            next_step="run a submitter for each chain, and name it in one way",
        )
    return chains.pop(), list(dict.fromkeys(name for _, _, name in pairs))


async def require_fresh(rpc: Caller, vault: Address, lane: int, wallet: Address) -> None:
    """The vault takes batches of this lane from this wallet, and took none yet. Raises: Conflict."""
    operator, head = await vault_calls.lane(rpc, vault, lane)
    if operator != wallet:
        who = "nobody" if operator is None else checksum(operator)
        raise Conflict(
            "lane_operator_other",
            f"lane {lane} of vault {checksum(vault)} is operated by {who}, not by {checksum(wallet)}",
            next_step=f"let the vault's owner call setLane({lane}, {checksum(wallet)})",
        )
    if head != ZERO_HASH:
        raise Conflict(
            "lane_used", f"lane {lane} has paid batches nobody here knows", next_step="take a new number"
        )


async def stands(conn: Connection, chain_id: int, vault: Address, *, lane: int, wallet: Address) -> bool:
    """Whether the lane is open already. Raises: Conflict when it is another wallet's or another vault's."""
    try:
        known = await lanes.get(conn, chain_id, name_of(lane))
    except NotFound:
        return False
    if (known.vault, known.wallet) != (vault, wallet):
        raise Conflict(
            "lane_known",
            f"lane {known.name} of chain {chain_id} belongs to {checksum(known.wallet)}",
            next_step="give each lane a number of its own",
        )
    return True


async def open_lane(
    conn: Connection, chain_id: int, vault: Address, *, lane: int, wallet: Address, next_nonce: int = 0
) -> bool:
    """The lane stands, with a wallet of its own; False when it stood before. conn: under the owner's login.

    next_nonce: as the chain says. Raises: Conflict, and nothing is to be committed.
    """
    if await stands(conn, chain_id, vault, lane=lane, wallet=wallet):
        return False
    name = name_of(lane)
    if await lanes.wallet_at(conn, chain_id, wallet) or await signer_wallets.lock(conn, chain_id, wallet):
        raise Conflict(
            "wallet_in_use",
            f"{checksum(wallet)} has another task on chain {chain_id}",
            next_step="a lane needs a wallet of its own",
        )
    await addresses.add_own(conn, chain_id, wallet, "wallet")
    await lanes.add_wallet(conn, chain_id, wallet, name=name, next_nonce=next_nonce)
    await lanes.open(conn, chain_id, lane=lane, name=name, vault=vault, wallet=wallet)
    await signer_wallets.add(conn, chain_id, wallet, first_nonce=next_nonce)
    told = {"wallet": checksum(wallet), "vault": checksum(vault), "lane": lane}
    await audit.append(conn, actor="cli", action="lane.open", object_id=f"{chain_id}/{name}", details=told)
    return True
