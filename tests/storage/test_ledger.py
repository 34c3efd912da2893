from collections.abc import Awaitable, Callable

import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.storage import ledger
from bascule.storage.database import Connection, Database
from bascule.storage.ledger import Balance, InsufficientFunds
from tests.support.books import (
    CHAIN,
    COLLECTOR,
    FINAL_BLOCK,
    FORWARDER,
    HEAD_BLOCK,
    MERCHANT,
    OPERATOR,
    STRANGER,
    USD,
    VAULT,
    WALLET,
    Books,
    fund,
    in_transaction,
    posted,
)

Open = Callable[[str], Awaitable[Database]]
NATIVE_COIN = b"\0" * 20


@pytest.fixture
async def books(db: Database) -> Books:
    books = Books(db)
    await books.set_up()
    return books


# ───────── what is booked ─────────


async def alone(conn: Connection, payout_id: str) -> None:
    await ledger.post_payout(conn, payout_id)


async def together(conn: Connection, payout_id: str) -> None:
    await ledger.post_payouts(conn, [payout_id])


Pay = Callable[[Connection, str], Awaitable[None]]


@pytest.fixture(params=[alone, together])
def post_paid(request: pytest.FixtureRequest) -> Pay:
    """Both ways to book a payout; they refuse the same with the same words."""
    chosen: Pay = request.param
    return chosen


async def test_opening_is_the_operators_money(db: Database, books: Books, db_as: Open) -> None:
    opening = await books.opening(VAULT, 100)
    gas = await books.opening(WALLET, 7, token=NATIVE_COIN)
    empty = await books.opening(COLLECTOR, 0)

    watcher = await db_as("watcher")
    async with watcher.transaction() as conn:
        first = await ledger.post_opening(conn, opening)
        assert await ledger.post_opening(conn, opening) == first
        await ledger.post_opening(conn, gas)
        assert await ledger.post_opening(conn, empty) is None

    assert await posted(db) == {
        "custody:vault": 100,
        f"available:{OPERATOR}": -100,
        "custody:wallets tok_native": 7,
        f"available:{OPERATOR} tok_native": -7,
    }


async def test_applied_payment_is_the_merchants_and_its_excess_waits(
    db: Database, books: Books, db_as: Open
) -> None:
    whole = await books.deposit("payment", FORWARDER, 50, applied=50)
    over = await books.deposit("payment", FORWARDER, 30, applied=20)
    lost = await books.deposit("payment", FORWARDER, 5)

    watcher = await db_as("watcher")
    async with watcher.transaction() as conn:
        for deposit in (whole, over, lost, whole):
            await ledger.post_deposit(conn, deposit)

    assert await posted(db) == {
        "custody:forwarders": 85,
        f"available:{MERCHANT}": -70,
        f"suspense:{MERCHANT}": -15,
    }


async def test_capital_is_available_and_unsolicited_money_is_suspense(db: Database, books: Books) -> None:
    capital = await books.deposit("capital", VAULT, 50)
    unasked = await books.deposit("unsolicited", COLLECTOR, 3)

    async with db.transaction() as conn:
        await ledger.post_deposit(conn, capital)
        await ledger.post_deposit(conn, unasked)

    assert await posted(db) == {
        "custody:vault": 50,
        "custody:collector": 3,
        f"available:{OPERATOR}": -50,
        f"suspense:{OPERATOR}": -3,
    }


async def test_flush_moves_custody_and_nothing_else(db: Database, books: Books) -> None:
    deposit = await books.deposit("payment", FORWARDER, 50, applied=50)
    flush = await books.transfer(FORWARDER, COLLECTOR, 40)
    within = await books.transfer(COLLECTOR, COLLECTOR, 40)

    async with db.transaction() as conn:
        await ledger.post_deposit(conn, deposit)
        first = await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, flush)
        assert await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, flush) == first
        assert await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, within) is None

    assert await posted(db) == {
        "custody:forwarders": 10,
        "custody:collector": 40,
        f"available:{MERCHANT}": -50,
    }


async def test_payout_is_held_and_then_paid_once(db: Database, books: Books, db_as: Open) -> None:
    await fund(books)
    payout = await books.payout(60)
    api, submitter = await db_as("api"), await db_as("submitter")

    async with api.transaction() as conn:
        hold = await ledger.post_hold(conn, payout)
        assert await ledger.post_hold(conn, payout) == hold
    async with db.read() as conn:
        assert await ledger.balances_of(conn, OPERATOR) == [
            Balance(f"available:{OPERATOR}", USD, -100, 60, 0, 40)
        ]
    await books.pay(payout, 60)
    async with submitter.transaction() as conn:
        paid = await ledger.post_payout(conn, payout)
        assert await ledger.post_payout(conn, payout) == paid

    assert await posted(db) == {"custody:vault": 40, f"available:{OPERATOR}": -40}
    async with db.read() as conn:
        assert [b.available for b in await ledger.balances(conn)] == [40, 40]


async def test_payouts_paid_together_are_booked_as_one_by_one(
    db: Database, books: Books, db_as: Open
) -> None:
    await fund(books)
    ids = [await books.payout(amount) for amount in (10, 20, 30)]
    for payout, amount in zip(ids, (10, 20, 30), strict=True):
        await in_transaction(db, ledger.post_hold, payout)
        await books.pay(payout, amount)

    async with (await db_as("submitter")).transaction() as conn:
        first = await ledger.post_payout(conn, ids[0])
        await ledger.post_payouts(conn, ids)
        await ledger.post_payouts(conn, ids)
        assert await ledger.post_payout(conn, ids[0]) == first
        for payout in ids[1:]:
            await ledger.post_payout(conn, payout)  # refuses other content than it would book

    assert await posted(db) == {"custody:vault": 40, f"available:{OPERATOR}": -40}
    async with db.read() as conn:
        assert await ledger.verify(conn) == []
        assert [b.held_debit + b.held_credit for b in await ledger.balances(conn)] == [0, 0]


async def test_one_payout_that_is_not_paid_lets_none_be_booked_with_it(db: Database, books: Books) -> None:
    await fund(books)
    good, bad = await books.payout(10), await books.payout(20)
    for payout in (good, bad):
        await in_transaction(db, ledger.post_hold, payout)
    await books.pay(good, 10)

    with pytest.raises(Halted, match="not paid"):
        await in_transaction(db, ledger.post_payouts, [good, bad])
    async with db.read() as conn:
        booked = await conn.execute("SELECT count(*) FROM ledger.tx WHERE source = 'payout'")
        assert await booked.fetchall() == [(0,)]


async def test_released_money_can_be_held_again(db: Database, books: Books) -> None:
    await fund(books)
    payout = await books.payout(100)
    async with db.transaction() as conn:
        await ledger.post_hold(conn, payout)
    await books.move(payout, "requires_action")
    async with db.transaction() as conn:
        await ledger.post_release(conn, payout)
    await books.run("UPDATE payouts SET state = 'pending', holds = 2 WHERE id = %s", payout)

    async with db.transaction() as conn:
        await ledger.post_hold(conn, payout)

    assert await posted(db) == {"custody:vault": 100, f"available:{OPERATOR}": -100}
    async with db.read() as conn:
        assert [b.available for b in await ledger.balances_of(conn, OPERATOR)] == [0]


async def test_gas_is_an_expense_in_the_native_coin(db: Database, books: Books, db_as: Open) -> None:
    await in_transaction(db, ledger.post_opening, await books.opening(WALLET, 7, token=NATIVE_COIN))
    attempt = await books.attempt(9)
    submitter = await db_as("submitter")

    async with submitter.transaction() as conn:
        assert await ledger.post_gas(conn, attempt) == await ledger.post_gas(conn, attempt)

    assert await posted(db) == {
        "custody:wallets tok_native": -2,
        f"available:{OPERATOR} tok_native": -7,
        "expense:gas tok_native": 9,
    }


async def test_custody_can_be_read_as_of_a_block(db: Database, books: Books) -> None:
    await fund(books)
    await books.run("UPDATE cursors SET finalized_number = 11, finalized_hash = last_hash")
    later = await books.deposit("capital", VAULT, 5, block=HEAD_BLOCK)
    async with db.transaction() as conn:
        await ledger.post_deposit(conn, later)

        assert await ledger.custody_at(conn, USD, 9) == 0
        assert await ledger.custody_at(conn, USD, 10) == 100
        assert await ledger.custody_at(conn, USD, 11) == 105


# ───────── what is refused ─────────


async def test_second_hold_beyond_what_is_available_is_refused(db: Database, books: Books) -> None:
    await fund(books)
    first, second = await books.payout(60), await books.payout(60)

    async with db.transaction() as conn:
        await ledger.post_hold(conn, first)
        with pytest.raises(InsufficientFunds, match="account"):
            await ledger.post_hold(conn, second)
        await ledger.post_hold(conn, first)  # the transaction is still usable
    await books.move(second, "canceled")

    assert await posted(db) == {"custody:vault": 100, f"available:{OPERATOR}": -100}


async def test_hold_is_on_whose_money_it_is_wherever_that_money_lies(db: Database, books: Books) -> None:
    await in_transaction(db, ledger.post_opening, await books.opening(COLLECTOR, 100))
    first, second = await books.payout(60), await books.payout(60)

    await in_transaction(db, ledger.post_hold, first)  # the vault has nothing of it yet

    async with db.transaction() as conn:
        with pytest.raises(InsufficientFunds) as refused:
            await ledger.post_hold(conn, second)
    assert refused.value.ledger_account == f"available:{OPERATOR}"
    await books.move(second, "canceled")


@pytest.mark.parametrize("state", ["requires_action", "failed", "canceled"])
async def test_payout_that_is_not_pending_holds_nothing(db: Database, books: Books, state: str) -> None:
    await fund(books)
    payout = await books.payout(60)
    await books.move(payout, state)

    with pytest.raises(Halted, match="nothing to hold"):
        await in_transaction(db, ledger.post_hold, payout)


async def test_pending_payout_keeps_its_hold(db: Database, books: Books) -> None:
    await fund(books)
    payout = await books.payout(60)
    await in_transaction(db, ledger.post_hold, payout)

    with pytest.raises(Halted, match="its hold stays"):
        await in_transaction(db, ledger.post_release, payout)


async def test_release_without_a_hold_is_refused(db: Database, books: Books) -> None:
    payout = await books.payout(60)
    await books.move(payout, "canceled")

    with pytest.raises(Halted, match="holds no money"):
        await in_transaction(db, ledger.post_release, payout)


async def test_new_hold_waits_for_the_end_of_the_old_one(db: Database, books: Books) -> None:
    await fund(books)
    payout = await books.payout(10)
    await in_transaction(db, ledger.post_hold, payout)
    await books.run("UPDATE payouts SET holds = 2 WHERE id = %s", payout)

    with pytest.raises(Halted, match="still holds money"):
        await in_transaction(db, ledger.post_hold, payout)


async def test_released_payout_cannot_be_booked_as_paid(db: Database, books: Books, post_paid: Pay) -> None:
    await fund(books)
    payout = await books.payout(60)
    await in_transaction(db, ledger.post_hold, payout)
    await books.move(payout, "failed")
    await in_transaction(db, ledger.post_release, payout)
    await books.run("UPDATE payouts SET failure_code = NULL, state = 'pending' WHERE id = %s", payout)
    await books.pay(payout, 60)

    with pytest.raises(Halted, match="one_end_per_hold"):
        await in_transaction(db, post_paid, payout)


@pytest.mark.parametrize(
    ("amount", "destination"), [(61, STRANGER), (60, COLLECTOR)], ids=["other amount", "other address"]
)
async def test_payout_that_differs_from_its_transfer_is_refused(
    db: Database, books: Books, amount: int, destination: bytes, post_paid: Pay
) -> None:
    await fund(books)
    payout = await books.payout(60)
    await in_transaction(db, ledger.post_hold, payout)
    await books.pay(payout, amount, dst=destination)

    with pytest.raises(Halted, match="differs from its transfer"):
        await in_transaction(db, post_paid, payout)


async def test_payout_waits_for_finality(db: Database, books: Books, post_paid: Pay) -> None:
    await fund(books)
    payout = await books.payout(60)
    await in_transaction(db, ledger.post_hold, payout)
    await books.pay(payout, 60, block=HEAD_BLOCK)

    with pytest.raises(Retryable, match="not final yet"):
        await in_transaction(db, post_paid, payout)


async def test_payout_that_did_not_pay_is_not_booked(db: Database, books: Books, post_paid: Pay) -> None:
    payout = await books.payout(60)

    with pytest.raises(Halted, match="not paid"):
        await in_transaction(db, post_paid, payout)


async def test_transfer_with_a_stranger_is_not_internal(db: Database, books: Books) -> None:
    index = await books.transfer(VAULT, STRANGER, 5)

    with pytest.raises(Halted, match="not between addresses of ours"):
        async with db.transaction() as conn:
            await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, index)


async def test_money_that_is_not_booked_in_yet_cannot_leave(db: Database, books: Books) -> None:
    index = await books.transfer(FORWARDER, COLLECTOR, 5)

    with pytest.raises(Retryable, match="custody:forwarders has not enough"):
        async with db.transaction() as conn:
            await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, index)


async def test_attempt_without_a_final_fee_is_not_booked(db: Database, books: Books) -> None:
    for attempt in (await books.attempt(None), await books.attempt(9, state="superseded")):
        with pytest.raises(Halted, match="no fee to book"):
            await in_transaction(db, ledger.post_gas, attempt)


async def test_object_that_does_not_exist_is_named(db: Database, books: Books) -> None:
    for post in (ledger.post_opening, ledger.post_deposit, ledger.post_hold, ledger.post_release):
        with pytest.raises(Halted, match=r"there is no .* xx_1"):
            await in_transaction(db, post, "xx_1")
