"""The development network and its tokens, as the bridge knows them."""

from __future__ import annotations

from bascule.domain import ids
from bascule.domain.chain import ZERO_ADDRESS
from bascule.domain.finality import FinalityPolicy
from bascule.domain.ids import Prefix
from bascule.entrypoints.dev.ground import Ground
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.storage import addresses, networks, tokens
from bascule.storage.database import Connection
from bascule.storage.networks import Network
from bascule.storage.tokens import Token

NAME = "dev"
DUST, MINIMUM = 100, 1_000  # base units: 0.0001 and 0.001 of a dollar, less than anything here costs


async def register(conn: Connection, laid: Ground, token_id: str) -> Token:
    """The network, its test dollar and its coin are there when this returns; the dollar is.

    Floors are set once, so that a test can pay too little to count; the operator's own stay.
    """
    known = await networks.get(conn, laid.chain_id)
    await networks.publish(
        conn,
        Network(
            chain_id=laid.chain_id,
            name=NAME,
            livemode=False,
            finality=FinalityPolicy("finalized"),
            vault=laid.vault,
            deposit_factory=laid.deposit_factory,
            forwarder=laid.forwarder,
            collector=laid.collector,
            start_block=laid.ready_block if known is None else known.start_block,
        ),
    )
    first = await tokens.by_contract(conn, laid.chain_id, laid.token) is None
    token = await tokens.publish(
        conn, Token(token_id, laid.chain_id, laid.token, "usdc", "USD Coin (test)", 6, accepted=True)
    )
    if first:
        await tokens.set_floors(conn, token.id, DUST, MINIMUM)
    native_id = ids.new(Prefix.TOKEN, int(SystemClock().now().timestamp() * 1000), SystemEntropy().bytes(10))
    await tokens.publish(
        conn, Token(native_id, laid.chain_id, ZERO_ADDRESS, "eth", "Ether (test)", 18, accepted=False)
    )
    await addresses.add_treasury_source(conn, laid.chain_id, laid.treasury_source, "development treasury")
    return token
