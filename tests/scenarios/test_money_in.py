"""Stories of payments: what a payer does, what the merchant and the books are told."""

from collections.abc import AsyncIterator

import pytest

from bascule.domain.chain import checksum
from bascule.domain.platform_fee import FeeTerms
from bascule.storage import addresses, fees
from tests.support.chain import calldata, deploy_dollar
from tests.support.money_in import FUNDS, Bridge, OpenAs, address_of, bridge, deposit_address


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def test_an_exact_payment_is_seen_then_final_then_booked(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.50")

    await b.pay(intent, "10.50")
    await b.settle_down(watcher)

    seen = await b.shown(intent)
    assert (seen["status"], seen["amount_received"], seen["amount_confirmed"]) == (
        "processing",
        "10.500000",
        "0.000000",
    )
    assert await b.booked() == {}

    await b.finalize(watcher)

    done = await b.shown(intent)
    assert (done["status"], done["amount_confirmed"], done["flags"]) == ("succeeded", "10.500000", [])
    assert await b.booked() == {"custody:forwarders": 10_500_000, "available:merchant": -10_500_000}
    assert await b.events() == [
        "payment_intent.created",
        "deposit.detected",
        "deposit.applied",
        "payment_intent.processing",
        "deposit.finalized",
        "payment_intent.succeeded",
        "balance.available",
    ]
    [(account, balance, before)] = await b.rows(
        "SELECT account_id, object, previous FROM outbox WHERE type = 'balance.available'"
    )
    assert (account, balance["object"], balance["livemode"]) == (b.merchant, "balance", False)
    [now], [was] = balance["available"], before["available"]
    assert (now["token"], now["amount"], was["amount"]) == (b.token.id, "10.500000", "0.000000")


async def test_a_short_payment_waits_for_its_top_up(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")

    await b.pay(intent, "4.00")
    await b.finalize(watcher)

    short = await b.shown(intent)
    assert (short["status"], short["amount_remaining"], short["flags"]) == (
        "requires_action",
        "6.000000",
        ["partially_paid"],
    )

    await b.pay(intent, "6.00", payer=2)
    await b.finalize(watcher)

    full = await b.shown(intent)
    assert (full["status"], full["flags"]) == ("succeeded", [])
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    assert "payment_intent.partially_funded" in await b.events()


async def test_a_merchant_is_charged_for_what_is_credited_and_sees_gross_fee_and_net(b: Bridge) -> None:
    watcher = await b.started()
    async with b.owner.transaction() as conn:
        await fees.set_version(conn, b.merchant, "usdt", FeeTerms(150, 10**17), None)
    intent = await b.intent("10.00")

    await b.pay(intent, "4.00")
    await b.finalize(watcher)
    await b.pay(intent, "6.50", payer=2)
    await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    first, second = await b.deposits()
    assert (first["fee"], first["net"]) == ("0.160000", "3.840000")
    assert (second["fee"], second["net"]) == ("0.090000", "5.910000"), "of what counts, and nothing fixed"
    [line] = first["fee_details"]
    assert (line["type"], line["bps"], line["share"], line["fixed"], line["version"]) == (
        "platform_fee", 150, "0.060000", "0.100000", 1,
    )  # fmt: skip
    assert await b.booked() == {
        "custody:forwarders": 10_500_000, "available:merchant": -9_750_000, "suspense:merchant": -500_000,
        "income:fees": -250_000,
    }  # fmt: skip


async def test_what_exceeds_the_price_waits_in_suspense(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")

    await b.pay(intent, "12.50")
    await b.finalize(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["amount_overpaid"], shown["flags"]) == (
        "succeeded",
        "2.500000",
        ["overpaid"],
    )
    assert await b.booked() == {
        "custody:forwarders": 12_500_000,
        "available:merchant": -10_000_000,
        "suspense:merchant": -2_500_000,
    }


async def test_a_late_payment_before_the_close_still_counts(b: Bridge) -> None:
    watcher = await b.started()
    now = int(b.clock.now().timestamp())
    intent = await b.intent("10.00", expires_at=now + 60, closes_at=now + 3600)

    b.clock.advance(600)
    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["flags"]) == ("succeeded", ["late"])


async def test_a_late_payment_is_held_where_the_merchant_asked_for_it(b: Bridge) -> None:
    watcher = await b.started()
    now = int(b.clock.now().timestamp())
    intent = await b.intent("10.00", expires_at=now + 60, closes_at=now + 3600, late="hold")

    b.clock.advance(600)
    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], set(shown["flags"])) == ("requires_action", {"late", "held"})
    assert await b.booked() == {"custody:forwarders": 10_000_000, "suspense:merchant": -10_000_000}
    assert [deposit["unapplied_reason"] for deposit in await b.deposits()] == ["held"]


async def test_a_payment_after_the_close_counts_for_nothing_and_is_kept(b: Bridge) -> None:
    watcher = await b.started()
    now = int(b.clock.now().timestamp())
    intent = await b.intent("10.00", expires_at=now + 60, closes_at=now + 60)

    b.clock.advance(600)
    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    assert [deposit["unapplied_reason"] for deposit in await b.deposits()] == ["intent_closed"]
    assert (await b.shown(intent))["status"] == "requires_action"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "suspense:merchant": -10_000_000}


async def test_money_for_a_canceled_intent_is_kept_unapplied(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.cancel(intent)

    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "canceled"
    assert [deposit["unapplied_reason"] for deposit in await b.deposits()] == ["intent_closed"]
    assert "deposit.unapplied" in await b.events()


async def test_a_second_payment_is_a_duplicate_and_is_kept(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")

    await b.pay(intent, "10.00")
    await b.pay(intent, "10.00", payer=2)
    await b.finalize(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["flags"]) == ("succeeded", ["duplicate"])
    assert [deposit["unapplied_reason"] for deposit in await b.deposits()] == [None, "already_paid"]
    assert await b.booked() == {
        "custody:forwarders": 20_000_000,
        "available:merchant": -10_000_000,
        "suspense:merchant": -10_000_000,
    }


async def test_two_payments_in_one_block_are_taken_in_chain_order(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    address = deposit_address(intent)

    await b.send(address, "6.00", payer=1)
    await b.send(address, "6.00", payer=2)
    await b.mine()
    await b.finalize(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["amount_overpaid"]) == ("succeeded", "2.000000")
    assert [deposit["application"]["amount_applied"] for deposit in await b.deposits()] == [
        "6.000000",
        "4.000000",
    ]


async def test_an_unknown_token_is_listed_and_never_booked(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    other = await deploy_dollar(b.node, b.account(2))
    mint = calldata("mint(address,uint256)", [b.account(1).address, 10**9])
    await b.node.transact(b.account(2), to=other, data=mint)

    await b.pay(intent, "10.00", token=other)
    await b.finalize(watcher)

    [deposit] = await b.deposits()
    assert (deposit["token"], deposit["amount"], deposit["amount_atomic"], deposit["unapplied_reason"]) == (
        None,
        None,
        "10000000",
        "unsupported_token",
    )
    assert (deposit["status"], deposit["contract"]) == ("finalized", other)
    assert await b.booked() == {}
    assert (await b.shown(intent))["status"] == "requires_action"


async def test_a_payment_in_the_very_next_block_is_not_missed(b: Bridge) -> None:
    """The intent is committed while the watcher already waits for the block that carries the payment."""
    watcher = await b.started()
    await b.settle_down(watcher)

    intent = await b.intent("1.00")
    await b.pay(intent, "1.00")
    assert await watcher.run_once() > 0

    assert (await b.shown(intent))["status"] == "processing"


async def test_transfers_of_nothing_are_counted_and_make_no_deposit(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    data = calldata("transfer(address,uint256)", [deposit_address(intent), 0])
    await b.node.transact(b.account(1), to=checksum(b.token.contract), data=data)
    await b.settle_down(watcher)

    assert await b.deposits() == []
    assert watcher.counters["logs_ignored_zero_value"] == 1


async def test_treasury_money_is_capital_and_strangers_money_is_unsolicited(b: Bridge) -> None:
    watcher = await b.started()
    vault = b.account(4).address

    await b.send(vault, "100.00", payer=3)
    await b.send(vault, "7.00", payer=1)
    await b.mine()
    await b.finalize(watcher)

    assert [(d["kind"], d["unapplied_reason"]) for d in await b.deposits()] == [
        ("capital", None),
        ("unsolicited", "unsolicited"),
    ]
    assert await b.booked() == {
        "custody:vault": 107_000_000,
        "available:operator": -100_000_000,
        "suspense:operator": -7_000_000,
    }


async def test_money_between_our_own_addresses_only_moves_in_the_books(b: Bridge) -> None:
    watcher = await b.started()
    vault, collector = b.account(4).address, b.account(5).address

    await b.send(collector, "50.00", payer=3)
    await b.mine()
    await b.send(vault, "20.00", payer=5)
    await b.mine()
    await b.finalize(watcher)

    assert len(await b.deposits()) == 1
    assert await b.booked() == {
        "custody:collector": 30_000_000,
        "custody:vault": 20_000_000,
        "available:operator": -50_000_000,
    }


async def test_what_we_held_at_first_is_the_operators(b: Bridge) -> None:
    await b.send(b.account(4).address, "30.00", payer=1)
    await b.mine(5)

    watcher = await b.started()
    await b.finalize(watcher)

    assert await b.deposits() == []
    assert await b.booked() == {"custody:vault": 30_000_000, "available:operator": -30_000_000}


async def test_an_address_registered_later_is_opened_and_misses_nothing(b: Bridge) -> None:
    watcher = await b.started()
    later = b.account(7)
    await b.send(later.address, "5.00", payer=1)
    await b.mine(5)
    await b.send(later.address, "8.00", payer=1)  # after the block that will be final: a deposit, not opening
    await b.mine()
    await b.settle_down(watcher)
    async with b.owner.transaction() as conn:
        await addresses.add_own(conn, b.network.chain_id, address_of(later), "vault")

    await b.send(later.address, "2.00", payer=1)
    await b.mine()
    await b.finalize(watcher)

    assert [deposit["amount"] for deposit in await b.deposits()] == ["8.000000", "2.000000"]
    assert await b.booked() == {
        "custody:vault": 15_000_000,
        "available:operator": -5_000_000,
        "suspense:operator": -10_000_000,
    }


async def test_a_payment_from_an_address_that_becomes_ours_afterwards_is_booked_once(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00", payer=2)
    await b.settle_down(watcher)
    async with b.owner.transaction() as conn:
        await addresses.add_own(conn, b.network.chain_id, address_of(b.account(2)), "wallet")

    await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert (await b.booked())["custody:forwarders"] == 10_000_000
    [(held,)] = await b.rows("SELECT amount FROM openings ORDER BY block_number DESC LIMIT 1")
    assert held == FUNDS - 10_000_000  # what it paid is counted where it went, and not again here
