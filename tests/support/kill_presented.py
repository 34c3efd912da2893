"""A customer pays by signatures while workers die."""

from __future__ import annotations

from bascule.domain.authorization import LOOK_AGAIN
from bascule.domain.chain import caip2, checksum
from bascule.entrypoints.devchain.accounts import DevAccount
from tests.support.authorizations import Dollar
from tests.support.chain import calldata
from tests.support.kill_world import ENTROPY, MINTED, PAYER, World
from tests.support.paying_x402 import DOMAIN


async def presented(w: World) -> None:
    """A customer pays by a signature, and by another one whose money is elsewhere for a while."""
    network = caip2(w.stage.network.chain_id)
    stands = await w.call("/v1/standing_addresses", {"network": network})
    dollar = Dollar(w.stage.network.chain_id, checksum(w.stage.token.contract), DOMAIN.name)
    until = int(w.stage.clock.now().timestamp()) + 3_600
    key = w.stage.node.accounts[PAYER].private_key
    first, second = [
        dollar.payment(key, stands["address"], 10_000, ENTROPY.bytes(32), until) for _ in range(2)
    ]
    await w.call("/x402/settle", first)
    await w.rest()
    await w.call("/x402/settle", second)
    payer, friend = w.stage.node.accounts[PAYER], w.stage.node.accounts[3]
    await _hand_over(w, payer, friend, MINTED - 10_000)
    await w.work_at("presenter", 3)
    await _hand_over(w, friend, payer, MINTED - 10_000)
    w.stage.clock.advance(LOOK_AGAIN)
    await w.rest()
    for payment in (first, second):
        now = await w.call("/x402/settle", payment)
        assert now["success"], now
    assert await w.stage.rows("SELECT count(*), sum(amount) FROM deposits WHERE kind = 'payment'") == [
        (2, 20_000)
    ]


async def _hand_over(w: World, giver: DevAccount, taker: DevAccount, units: int) -> None:
    data = calldata("transfer(address,uint256)", [taker.address, units])
    done = await w.stage.node.transact(giver, to=checksum(w.stage.token.contract), data=data)
    assert done["status"] == "0x1"
