"""A token's decimals and currency are fixed once amounts may have been booked in them."""

from dataclasses import replace

import pytest

from bascule.domain.chain import Address
from bascule.domain.errors import Conflict
from bascule.domain.finality import FinalityPolicy
from bascule.storage import networks, tokens
from bascule.storage.database import Database
from bascule.storage.networks import Network
from bascule.storage.tokens import Token

NETWORK = Network(
    5, "local", False, FinalityPolicy("depth", 7), Address(b"\x01" * 20), None, None, None, 3, "x"
)
TOKEN = Token("tok_1", 5, Address(b"\x07" * 20), "usdt", "Dollar", 6, True)


async def test_networks_and_tokens_come_back_as_published(db: Database) -> None:
    async with db.transaction() as conn:
        await networks.publish(conn, NETWORK)
        assert await tokens.publish(conn, TOKEN) == TOKEN

        assert await networks.get(conn, 5) == NETWORK
        assert await networks.get(conn, 6) is None
        assert await networks.every(conn) == [NETWORK]
        assert await tokens.get(conn, "tok_1") == TOKEN
        assert await tokens.by_contract(conn, 5, TOKEN.contract) == TOKEN
        assert await tokens.every(conn) == [TOKEN]


async def test_publishing_again_keeps_the_id_and_refuses_other_decimals(db: Database) -> None:
    async with db.transaction() as conn:
        await networks.publish(conn, NETWORK)
        await tokens.publish(conn, TOKEN)
        suspended = await tokens.publish(conn, replace(TOKEN, id="tok_2", accepted=False))
        assert suspended == replace(TOKEN, accepted=False)

        for other in (replace(TOKEN, decimals=18), replace(TOKEN, currency="usdc")):
            with pytest.raises(Conflict):
                await tokens.publish(conn, other)
