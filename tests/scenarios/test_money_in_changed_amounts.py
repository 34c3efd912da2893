"""Stories of transactions that move another amount when they are mined again: all that a sender has, say."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.domain import forwarder
from bascule.domain.chain import checksum, parse_address
from bascule.services.standing_addresses import StandingAddresses
from tests.support.chain import calldata
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address

SALT = bytes(32)


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def paid_by_a_sweeper(b: Bridge, address: str) -> str:
    """A stranger's contract pays us all it has: 4 and 6 that came to it, so 10. The hash of what brought 6.

    1 <- 2(4) <- 3(6) <- 4(pay 10)
    """
    stranger = b.account(0)
    factory = await b.node.deploy(stranger, "DepositFactory", ["address", "uint48"], [stranger.address, 0])
    await b.node.transact(stranger, to=factory, data=calldata("setCollector(address)", [address]))
    deployer = parse_address(factory)
    theirs = forwarder.clone_address(deployer, forwarder.implementation_address(deployer), SALT)
    await b.send(checksum(theirs), "4.00")
    await b.mine()
    second = await b.send(checksum(theirs), "6.00", payer=2)
    await b.mine()
    token = checksum(b.token.contract)
    await b.node.send(stranger, to=factory, data=calldata("flush(bytes32[],address)", [[SALT], token]))
    await b.mine()
    return second


async def only(b: Bridge) -> dict[str, Any]:
    [deposit] = await b.deposits()
    return deposit


async def test_a_payment_that_returns_with_another_amount_is_flagged_and_matched_anew(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    second = await paid_by_a_sweeper(b, deposit_address(intent))
    await b.settle_down(watcher)
    before = await only(b)
    assert (before["amount"], before["amount_changed"]) == ("10.000000", None)
    assert (await b.shown(intent))["status"] == "processing"

    await b.node.dev.reorg(2, drop=[second])
    await b.settle_down(watcher)

    after = await only(b)
    assert (after["id"], after["tx_hash"], after["amount"]) == (before["id"], before["tx_hash"], "4.000000")
    assert after["amount_changed"] == {"before": "10.000000", "before_atomic": "10000000"}
    assert (await b.shown(intent))["amount_received"] == "4.000000"
    assert watcher.counters["deposits_returned_changed"] == watcher.counters["deposits_returned"] == 1
    [(told,)] = await b.rows(
        "SELECT object::jsonb->'amount_changed' FROM outbox WHERE type = 'deposit.detected'"
        " ORDER BY id DESC LIMIT 1"
    )
    assert told == after["amount_changed"]

    await b.finalize(watcher)
    assert await b.booked() == {"custody:forwarders": 4_000_000, "available:merchant": -4_000_000}
    await b.require_chain_and_rows_agree()


async def test_a_payment_that_returns_with_its_amount_is_not_flagged(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await paid_by_a_sweeper(b, deposit_address(intent))
    await b.settle_down(watcher)

    await b.node.dev.reorg(1)
    await b.settle_down(watcher)

    assert (await only(b))["amount_changed"] is None
    assert watcher.counters["deposits_returned"] == 1
    assert watcher.counters["deposits_returned_changed"] == 0


async def test_accepted_money_that_returns_with_another_amount_counts_for_what_it_is(b: Bridge) -> None:
    """Money at a standing address is accepted as it comes; what was accepted of it follows the chain."""
    watcher = await b.started()
    async with b.api.transaction() as conn:
        standing = await StandingAddresses(b.clock, deposit_seed=bytes(32)).make(
            conn, b.network.chain_id, account_id=b.merchant, livemode=False
        )
    second = await paid_by_a_sweeper(b, standing["address"])
    await b.settle_down(watcher)
    assert (await only(b))["application"]["amount_applied"] == "10.000000"

    await b.node.dev.reorg(2, drop=[second])
    await b.settle_down(watcher)

    after = await only(b)
    assert (after["amount"], after["application"]["amount_applied"]) == ("4.000000", "4.000000")
    await b.finalize(watcher)
    assert await b.booked() == {"custody:forwarders": 4_000_000, "available:merchant": -4_000_000}
