"""Stories of transfers that were read before the address they went to was stored: late, and counted once."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from bascule.domain import forwarder
from bascule.domain.chain import checksum
from bascule.services import token_resuming
from tests.support.crashing import Crash, Crashing
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def next_address(b: Bridge) -> str:
    """Where the next intent will be paid; its transaction may be open while the payer has the address."""
    [(last, called)] = await b.rows("SELECT last_value, is_called FROM deposit_address_number")
    salt = forwarder.salt(b.use_cases.deposit_seed, b.use_cases.deposit_epoch, last + called)
    assert b.network.deposit_factory is not None
    assert b.network.forwarder is not None
    return checksum(forwarder.clone_address(b.network.deposit_factory, b.network.forwarder, salt))


async def paid_before_it_is_stored(b: Bridge, watcher: Any, *amounts: str) -> dict[str, Any]:
    """An intent whose payments were read while its row was not stored yet."""
    address = await next_address(b)
    for amount in amounts:
        await b.send(address, amount)
    await b.mine()
    await b.settle_down(watcher)
    assert await b.stored() == []
    assert await b.deposits() == []
    intent = await b.intent("10.00")
    assert deposit_address(intent) == address
    return intent


async def test_a_transfer_seen_before_its_intent_was_stored_becomes_its_deposit(b: Bridge) -> None:
    watcher = await b.started()
    intent = await paid_before_it_is_stored(b, watcher, "4.00", "6.00")
    assert watcher.counters["transfers_seen"] == 2

    await b.mine()
    await b.settle_down(watcher)
    assert (await b.shown(intent))["amount_received"] == "10.000000"
    await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    assert (await b.events()).count("deposit.detected") == 2


async def test_it_becomes_one_also_when_its_block_was_final_already(b: Bridge) -> None:
    """Asked for again, proven, and booked with the next block that becomes final."""
    watcher = await b.started()
    address = await next_address(b)
    await b.send(address, "10.00")
    await b.mine()
    await b.finalize(watcher)
    intent = await b.intent("10.00")
    assert deposit_address(intent) == address

    await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    [deposit] = await b.deposits("finalized")
    assert deposit["evidence"]["verified"] == "receipts"


async def test_it_is_looked_for_again_by_a_watcher_that_starts_anew(b: Bridge) -> None:
    first = await b.started()
    intent = await paid_before_it_is_stored(b, first, "10.00")
    await first.release()
    await b.mine()
    dying = b.watcher(failpoints=Crashing("watcher.before_commit"))
    with pytest.raises(Crash):
        await dying.run_once()
    await dying.release()

    await b.finalize(b.watcher())

    assert (await b.shown(intent))["status"] == "succeeded"
    assert len(await b.deposits()) == 1


@pytest.mark.parametrize("borne", [False, True], ids=["missing", "borne by the operator"])
async def test_our_own_money_there_is_booked_where_it_lies_though_its_block_was_final_already(
    b: Bridge, borne: bool
) -> None:
    """Else the flush that fetches it takes more from the books of the forwarders than is in them."""
    watcher = await b.started()
    await b.send(b.account(4).address, "7.00", payer=3)
    await b.finalize(watcher)
    address = await next_address(b)
    await b.send(address, "3.00", payer=4)
    await b.finalize(watcher)
    assert (await b.booked())["expense:outflow"] == 3_000_000
    async with b.owner.transaction() as conn:
        await token_resuming.resume(conn, b.token.id, reason="looked at", clock=b.clock, outbox=b.outbox)
    if borne:
        await b.mine()
        await b.finalize(watcher)
        assert "expense:outflow" not in await b.booked()
    assert deposit_address(await b.intent("10.00")) == address

    await b.mine()
    await b.settle_down(watcher)
    await b.finalize(watcher)

    assert await b.booked() == {
        "custody:vault": 4_000_000,
        "custody:forwarders": 3_000_000,
        "available:operator": -7_000_000,
    }
    assert len(await b.deposits()) == 1, "the capital; what we move is no deposit"
    assert await b.rows("SELECT type FROM breaks WHERE state = 'open'") == []


async def test_one_whose_block_left_the_chain_meanwhile_is_none_until_it_is_mined_again(b: Bridge) -> None:
    watcher = await b.started()
    address = await next_address(b)
    sent = await b.send(address, "10.00")
    await b.mine()
    await b.settle_down(watcher)
    await b.node.dev.reorg(1, drop=[sent])
    await b.mine()
    await b.settle_down(watcher)
    intent = await b.intent("10.00")
    await b.mine()
    await b.settle_down(watcher)
    assert await b.deposits() == []

    await b.send(address, "10.00")
    await b.mine()
    await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert len(await b.deposits()) == 1


async def test_money_between_strangers_is_no_deposit_of_anybody(b: Bridge) -> None:
    watcher = await b.started()
    for _ in range(3):
        await b.send(b.account(2).address, "1.00")
        await b.mine()
        await b.intent("10.00")
    await b.finalize(watcher)

    assert watcher.counters["transfers_seen"] == 3
    assert await b.rows("SELECT count(*) FROM seen_transfers WHERE canonical") == [(3,)]
    assert await b.deposits() == []


async def test_a_backup_that_reads_for_hours_holds_no_payment_up(b: Bridge) -> None:
    """It keeps what it reads from being dropped: that goes once it is done."""
    watcher = b.watcher(seen_blocks=2)
    await b.settle_down(watcher)
    await b.send(b.account(2).address, "1.00")
    await b.finalize(watcher)
    intent = await b.intent("10.00")
    async with await psycopg.AsyncConnection.connect(b.owner.url) as backup:
        await backup.execute("LOCK TABLE seen_transfers IN ACCESS SHARE MODE")
        [(first,)] = await b.rows("SELECT min(number) FROM seen_transfers")
        for _ in range(3):
            await b.send(b.account(2).address, "1.00")
            await b.finalize(watcher)
        await b.pay(intent, "10.00")
        await b.finalize(watcher)

        assert (await b.shown(intent))["status"] == "succeeded"
        assert await b.rows("SELECT min(number) FROM seen_transfers") == [(first,)]

    await b.send(b.account(2).address, "1.00")
    await b.finalize(watcher)
    [(kept,)] = await b.rows("SELECT min(number) FROM seen_transfers")
    [(final,)] = await b.rows("SELECT finalized_number FROM cursors")
    assert final - 10 < kept > first
