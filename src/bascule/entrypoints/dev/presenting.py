"""The x402 facilitator's wallet of a development installation, and its token's signing domain."""

from __future__ import annotations

from bascule.domain.authorization import SigningDomain
from bascule.domain.chain import Address
from bascule.entrypoints import presenting
from bascule.storage import authorizations
from bascule.storage.database import Connection
from bascule.storage.tokens import Token

DOMAIN = SigningDomain("USD Coin", "1")  # as the test dollar's contract has it
MAX_PER_DAY = 1_000 * 10**18


async def register(conn: Connection, token: Token, wallet: Address, *, max_fee_per_gas: int) -> None:
    """The lane CHAIN/x402 has this wallet; repeatable."""
    await authorizations.publish_domain(conn, token.id, DOMAIN)
    await presenting.register(
        conn, token.chain_id, wallet, [token], max_fee_per_gas=max_fee_per_gas, max_per_day=MAX_PER_DAY,
        next_nonce=0,
    )  # fmt: skip
