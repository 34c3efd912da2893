"""Making a wallet the x402 facilitator's of a chain: ours, of the lane CHAIN/x402, at a bounded price.

Two authorities get rows, as for the sweeper; no process may write the signer's, the owner's login does.
"""

from __future__ import annotations

from collections.abc import Sequence

from bascule.domain import authorization
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict
from bascule.entrypoints import service_wallets
from bascule.storage import audit, authorizations, signer_authorizations
from bascule.storage.database import Connection
from bascule.storage.signer_authorizations import PresentLimits
from bascule.storage.tokens import Token

# What a rollup may count for the data of one call, as gas; what is not used is not paid.
DATA_GAS = 1_000_000


async def signable(conn: Connection, tokens: Sequence[Token]) -> list[Token]:
    """Those of these tokens that are paid with by authorizations. Raises: Conflict when none is."""
    found = [each for each in tokens if each.accepted and await authorizations.domain_of(conn, each.id)]
    if not found:
        raise Conflict(
            "x402_without_token", "No token of this chain is known to take authorizations (EIP-3009).",
            next_step="give one eip3009 = { name, version } in the configuration and publish the chain again",
        )  # fmt: skip
    return found


async def register(
    conn: Connection, chain_id: int, wallet: Address, tokens: Sequence[Token], *, max_fee_per_gas: int,
    max_per_day: int, next_nonce: int,
) -> bool:  # fmt: skip
    """The wallet presents authorizations of these tokens; False when that stood before, with the same limits.

    max_per_day: wei that a day's transactions may cost at the most. conn: under the owner's login.
    Raises: as `service_wallets.register`.
    """
    new = await service_wallets.register(
        conn, chain_id, wallet, name=authorization.LANE, next_nonce=next_nonce
    )
    contracts = frozenset(token.contract for token in tokens)
    limits = PresentLimits(contracts, max_fee_per_gas, authorization.GAS + DATA_GAS, max_per_day)
    if not new and await signer_authorizations.current(conn, chain_id, wallet) == limits:
        return False
    await signer_authorizations.set(conn, chain_id, wallet, limits)
    await authorizations.set_budget(conn, chain_id, max_fee_per_gas, max_per_day)
    told = {
        "wallet": checksum(wallet),
        "tokens": sorted(checksum(contract) for contract in contracts),
        "max_fee_per_gas": str(max_fee_per_gas),
        "max_per_day": str(max_per_day),
    }
    await audit.append(
        conn, actor="cli", action="facilitator.register", object_id=str(chain_id), details=told
    )
    return True
